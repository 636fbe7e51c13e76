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
	users map[string][]session // by start
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
// a session that it lies in, or no gap away from; it never makes two sessions one. A new session's id follows from
// its first click alone.
func (b *Book) Enter(user string, at int64, event string) uuid.UUID {
	had := b.users[user]
	for i := range had {
		if s := &had[i]; at > s.start-b.gap && at < s.last+b.gap {
			s.start, s.last = min(s.start, at), max(s.last, at)
			return s.id
		}
	}
	name := strconv.AppendInt(append([]byte(user), 0), at, 10)
	id := uuid.NewSHA1(namespace, append(append(name, 0), event...))
	b.add(user, session{id, at, at})
	return id
}

// namespace sets the ids of sessions apart from others that are made of the same text.
var namespace = uuid.MustParse("6d0d3a0c-5f0e-4f55-9a0b-9c1f2f7b9e7e")

// Note takes down that a click at a time was found to be of a session.
func (b *Book) Note(user string, at int64, id uuid.UUID) {
	had := b.users[user]
	for i := range had {
		if s := &had[i]; s.id == id {
			s.start, s.last = min(s.start, at), max(s.last, at)
			return
		}
	}
	b.add(user, session{id, at, at})
}

func (b *Book) add(user string, s session) {
	b.users[user] = append(b.users[user], s)
	slices.SortFunc(b.users[user], func(x, y session) int {
		if x.start != y.start {
			return int(min(max(x.start-y.start, -1), 1))
		}
		return slices.Compare(x.id[:], y.id[:])
	})
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
		b.users[user] = append(b.users[user], s)
	}
	return b, nil
}
