// Package sessions finds the sessions of users from the times of their clicks. It knows nothing of Beam.
package sessions

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Book holds the sessions of some users. A session is a user's clicks of which none is the gap, or more, after the one
// before. Clicks that are entered by time, the earlier first, are told the same sessions in whatever order they came.
type Book struct {
	gap   int64
	users map[string][]session // by time; no two share an instant
}

type session struct {
	id          uuid.UUID
	start, last int64 // milliseconds since the epoch
}

// NewBook returns a book without sessions.
func NewBook(gap time.Duration) *Book {
	return &Book{gap: gap.Milliseconds(), users: map[string][]session{}}
}

// Enter returns the session of a click at a time, in milliseconds since the epoch. One that comes after later ones is of
// the session that it lies in, or else of the nearest that is less than the gap away, of two as near the earlier; it never
// makes two sessions one. A new session's id follows from its first click alone.
func (b *Book) Enter(user string, at int64, event string) uuid.UUID {
	had := b.users[user]
	next := after(had, at)
	before, behind := b.gap, b.gap // how far the sessions around at are away
	if next > 0 {
		before = max(at-had[next-1].last, 0)
	}
	if next < len(had) {
		behind = had[next].start - at
	}
	switch {
	case before < b.gap && before <= behind:
		s := &had[next-1]
		s.last = max(s.last, at)
		return s.id
	case behind < b.gap:
		had[next].start = at
		return had[next].id
	}
	name := strconv.AppendInt(append([]byte(user), 0), at, 10)
	id := uuid.NewSHA1(namespace, append(append(name, 0), event...))
	b.users[user] = slices.Insert(had, next, session{id, at, at})
	return id
}

// namespace sets the ids of sessions apart from others that are made of the same text.
var namespace = uuid.MustParse("6d0d3a0c-5f0e-4f55-9a0b-9c1f2f7b9e7e")

// Note takes down that a click at a time was found to be of a session. Clicks are noted in any order. Where one lies in
// another session, as two runs may have told it, that stays as it is.
func (b *Book) Note(user string, at int64, id uuid.UUID) {
	had := b.users[user]
	next := after(had, at)
	switch {
	case next > 0 && at <= had[next-1].last:
	case next > 0 && had[next-1].id == id:
		had[next-1].last = at
		if next < len(had) && had[next].id == id { // what lay between was not known before
			had[next-1].last = had[next].last
			b.users[user] = slices.Delete(had, next, next+1)
		}
	case next < len(had) && had[next].id == id:
		had[next].start = at
	default:
		b.users[user] = slices.Insert(had, next, session{id, at, at})
	}
}

// after returns how many of some sessions begin at a time or before.
func after(had []session, at int64) int {
	i, _ := slices.BinarySearchFunc(had, at, func(s session, at int64) int {
		if s.start <= at {
			return -1
		}
		return 1
	})
	return i
}

// Forget drops the sessions whose last click was before a time.
func (b *Book) Forget(before int64) {
	for user, had := range b.users {
		left := slices.DeleteFunc(had, func(s session) bool { return s.last < before })
		if len(left) == 0 {
			delete(b.users, user)
		} else {
			b.users[user] = left
		}
	}
}

// Len returns how many users have a session.
func (b *Book) Len() int { return len(b.users) }

// Encode returns the book as bytes: for each session the user, as length and text, the id, start and last as varints.
func (b *Book) Encode() []byte {
	room := make([]byte, 0, len(b.users)*64)
	for user, had := range b.users {
		for _, s := range had {
			room = binary.AppendUvarint(room, uint64(len(user)))
			room = append(room, user...)
			room = append(room, s.id[:]...)
			room = binary.AppendVarint(room, s.start)
			room = binary.AppendVarint(room, s.last-s.start)
		}
	}
	return room
}

var errBook = errors.New("these bytes are no encoded sessions; are all workers of the same version?")

// Decode reads what Encode wrote, for a book of the same gap.
func Decode(gap time.Duration, bytes []byte) (*Book, error) {
	b := NewBook(gap)
	text := string(bytes) // that all users share
	for len(bytes) > 0 {
		n, used := binary.Uvarint(bytes)
		if used <= 0 || n > uint64(len(bytes)-used) || len(bytes)-used-int(n) < len(uuid.UUID{}) { //nolint:gosec // it is less
			return nil, errBook
		}
		user := text[len(text)-len(bytes)+used:][:n]
		bytes = bytes[used+int(n):] //nolint:gosec // see above
		var s session
		bytes = bytes[copy(s.id[:], bytes):]
		var first, second int
		s.start, first = binary.Varint(bytes)
		s.last, second = binary.Varint(bytes[max(first, 0):])
		if first <= 0 || second <= 0 {
			return nil, errBook
		}
		s.last += s.start
		bytes = bytes[first+second:]
		had := b.users[user]
		if s.last < s.start || len(had) > 0 && s.start <= had[len(had)-1].last {
			return nil, errBook
		}
		b.users[user] = append(had, s)
	}
	return b, nil
}
