package sessions

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const gap = 30 * time.Minute

// entry is a click, as it is entered. Its time is in minutes, so that tests can be read.
type entry struct {
	user   string
	minute int
	event  string
}

func (e entry) at() int64 { return time.Duration(e.minute * int(time.Minute)).Milliseconds() }

func enter(b *Book, e entry) uuid.UUID { return b.Enter(e.user, e.at(), e.event) }

// TestEnter tells of each click of one user whose session it is told to be of: that of the first click that is named.
func TestEnter(t *testing.T) {
	type step struct {
		minute int
		of     int // minute of the session's first click
	}
	for name, steps := range map[string][]step{
		"less than the gap":                 {{0, 0}, {29, 0}, {58, 0}},
		"the gap itself":                    {{0, 0}, {30, 30}, {60, 60}},
		"at once":                           {{0, 0}, {0, 0}},
		"late, within":                      {{0, 0}, {20, 0}, {10, 0}},
		"late, before":                      {{100, 100}, {71, 100}, {42, 100}},
		"late, the gap before":              {{100, 100}, {70, 70}},
		"late, between, nearer the earlier": {{0, 0}, {40, 40}, {15, 0}},
		"late, between, nearer the later":   {{0, 0}, {40, 40}, {25, 40}},
		"late, between, as near":            {{0, 0}, {40, 40}, {20, 0}},
		"late, between, near neither":       {{0, 0}, {60, 60}, {30, 30}},
		"what is late makes no two one":     {{0, 0}, {30, 30}, {29, 30}, {1, 0}, {45, 30}},
		"the newest goes on after one late": {{0, 0}, {50, 50}, {24, 0}, {60, 50}},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBook(gap)
			ids := map[int]uuid.UUID{}
			for _, s := range steps {
				id := enter(b, entry{"u", s.minute, "e"})
				if s.minute == s.of && ids[s.of] == (uuid.UUID{}) {
					assert.NotContains(t, ids, id)
					ids[s.of] = id
				}
				assert.Equal(t, ids[s.of], id, "minute %d", s.minute)
			}
		})
	}
}

// TestIDs holds ids to what they were: a run that goes on after an update would tell others. They are UUIDs of version 5.
func TestIDs(t *testing.T) {
	b := NewBook(gap)
	assert.Equal(t, "dbf58887-bb5c-53ca-803e-b93c49901372", b.Enter("user", 1_700_000_000_000, "event").String())
	ids := map[uuid.UUID]bool{}
	for _, e := range []entry{{"a", 1, "e"}, {"a", 100, "e"}, {"b", 1, "e"}, {"", 1, "e"}, {"a\x00", 1, "e"}} {
		ids[enter(b, e)] = true
	}
	ids[enter(NewBook(gap), entry{"a", 1, "f"})] = true
	assert.Len(t, ids, 6, "user, time and event each make another id")
}

func clicks(t *rapid.T) []entry {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) entry {
		return entry{
			rapid.SampledFrom([]string{"", "a", "b", "ü\x00"}).Draw(t, "user"),
			rapid.IntRange(-300, 300).Draw(t, "minute"),
			rapid.StringN(0, 2, -1).Draw(t, "event"),
		}
	}), 0, 60).Draw(t, "clicks")
}

// TestGaps enters clicks by time, and has what is told be what comes of looking at each user's gaps.
func TestGaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := clicks(t)
		slices.SortFunc(all, func(a, b entry) int {
			return cmp.Or(cmp.Compare(a.minute, b.minute), cmp.Compare(a.event, b.event))
		})
		b := NewBook(gap)
		last, current, seen := map[string]int{}, map[string]uuid.UUID{}, map[uuid.UUID]bool{}
		for _, e := range all {
			id := enter(b, e)
			before, known := last[e.user]
			if known && e.minute-before < 30 {
				assert.Equal(t, current[e.user], id)
			} else {
				assert.False(t, seen[id], "it begins another one")
			}
			last[e.user], current[e.user], seen[id] = e.minute, id, true
		}
	})
}

// interval is a session of the model.
type interval struct {
	id          uuid.UUID
	first, last int
}

// TestLate enters clicks in any order, beside a model that looks at all of a user's sessions, each in turn.
func TestLate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, model := NewBook(gap), map[string][]*interval{}
		for i, e := range clicks(t) {
			if i%7 == 6 {
				var err error
				b, err = Decode(gap, b.Encode())
				require.NoError(t, err)
			}
			id := enter(b, e)
			away := func(s *interval) int { return max(s.first-e.minute, e.minute-s.last, 0) }
			var near *interval
			for _, s := range model[e.user] {
				if away(s) < 30 && (near == nil || away(s) < away(near) || away(s) == away(near) && s.first < near.first) {
					near = s
				}
			}
			if near == nil {
				for _, s := range model[e.user] {
					assert.NotEqual(t, s.id, id)
				}
				model[e.user] = append(model[e.user], &interval{id, e.minute, e.minute})
				continue
			}
			assert.Equal(t, near.id, id)
			near.first, near.last = min(near.first, e.minute), max(near.last, e.minute)
		}
		assert.Equal(t, len(model), b.Len())
	})
}

// TestOrderAmongUsers has a user's sessions not depend on the others' clicks.
func TestOrderAmongUsers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := clicks(t)
		together := NewBook(gap)
		alone := map[string]*Book{}
		for _, e := range all {
			if alone[e.user] == nil {
				alone[e.user] = NewBook(gap)
			}
			assert.Equal(t, enter(alone[e.user], e), enter(together, e))
		}
	})
}

// told is what a book knows, to be compared.
func told(b *Book) map[string][]session { return b.users }

// TestNote takes down, in any order, what clicks were told: the sessions are there again as they were, and tell the same of
// every click.
func TestNote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := clicks(t)
		first := NewBook(gap)
		ids := map[entry]uuid.UUID{}
		for _, e := range all {
			ids[e] = enter(first, e)
		}
		again := NewBook(gap)
		for _, e := range rapid.Permutation(all).Draw(t, "order") {
			again.Note(e.user, e.at(), ids[e])
		}
		assert.Equal(t, told(first), told(again))
		for _, e := range all {
			assert.Equal(t, ids[e], enter(again, e))
		}
	})
}

// TestNoteOfTwoMinds takes down what two runs have told that did not know of each other: no two sessions share an instant.
func TestNoteOfTwoMinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBook(gap)
		for _, e := range clicks(t) {
			b.Note(e.user, e.at(), rapid.SampledFrom([]uuid.UUID{{1}, {2}, {3}}).Draw(t, "id"))
			for _, of := range told(b) {
				for i, s := range of {
					require.LessOrEqual(t, s.start, s.last)
					require.True(t, i == 0 || of[i-1].last < s.start)
				}
			}
		}
		again, err := Decode(gap, b.Encode())
		require.NoError(t, err)
		assert.Equal(t, told(b), told(again))
	})
}

func TestForget(t *testing.T) {
	b := NewBook(gap)
	old, current := enter(b, entry{"u", 0, "a"}), enter(b, entry{"u", 50, "b"})
	enter(b, entry{"v", 10, "c"})
	b.Forget(entry{minute: 0}.at())
	assert.Equal(t, 2, b.Len(), "the last click was not before that")
	b.Forget(entry{minute: 11}.at())
	assert.Equal(t, 1, b.Len(), "a user without sessions is gone")
	assert.NotEqual(t, old, enter(b, entry{"u", 1, "d"}))
	assert.Equal(t, current, enter(b, entry{"u", 51, "e"}))
	b.Forget(math.MaxInt64)
	assert.Zero(t, b.Len())
	assert.Empty(t, b.Encode())
}

// TestForgetAsItGoes has a book that forgets what is two gaps old tell the same, where clicks come by time.
func TestForgetAsItGoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := clicks(t)
		slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(a.minute, b.minute) })
		keeps, forgets := NewBook(gap), NewBook(gap)
		for _, e := range all {
			assert.Equal(t, enter(keeps, e), enter(forgets, e))
			forgets.Forget(e.at() - 2*gap.Milliseconds())
			for _, of := range told(forgets) {
				assert.LessOrEqual(t, len(of), 3, "those of three gaps")
			}
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	b := NewBook(gap)
	enter(b, entry{"user", 1, "e"})
	good := b.Encode()
	huge := binary.AppendUvarint(nil, math.MaxUint64)
	record := func(start, length int64) []byte {
		return binary.AppendVarint(binary.AppendVarint(append([]byte{1, 'u'}, make([]byte, 16)...), start), length)
	}
	for name, bytes := range map[string][]byte{
		"a length of 2^64-1":              append(slices.Clone(huge), good...),
		"a length past the end":           append(binary.AppendUvarint(nil, uint64(len(good))), good...),
		"a length of no end":              {0xff, 0xff, 0xff},
		"a length of more than 64 bits":   append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, good...),
		"something behind":                append(slices.Clone(good), 1),
		"an end before its start":         record(5, -1),
		"an end past all time":            record(math.MaxInt64, 1),
		"two at an instant":               append(record(5, 10), record(15, 1)...),
		"not by time":                     append(record(5, 10), record(1, 1)...),
		"a user, and no room for the id":  {1, 'u', 0, 0},
		"an id, and no times":             append([]byte{1, 'u'}, make([]byte, 16)...),
		"an id, and the first time alone": append(append([]byte{1, 'u'}, make([]byte, 16)...), 2),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(gap, bytes)
			require.ErrorIs(t, err, errBook)
		})
	}
	for cut := 1; cut < len(good); cut++ {
		_, err := Decode(gap, good[:cut])
		require.ErrorIs(t, err, errBook, "%d of %d bytes", cut, len(good))
	}
}

// FuzzDecode has what is decoded be what is encoded again, and nothing taken that is not there.
func FuzzDecode(f *testing.F) {
	b := NewBook(gap)
	for i := range 3 {
		enter(b, entry{"user", 40 * i, "e"})
		enter(b, entry{fmt.Sprint(i), i, ""})
	}
	f.Add(b.Encode())
	f.Add(binary.AppendUvarint(nil, math.MaxUint64))
	f.Fuzz(func(t *testing.T, bytes []byte) {
		b, err := Decode(gap, bytes)
		if err != nil {
			return
		}
		sessions := 0
		for _, of := range told(b) {
			sessions += len(of)
		}
		assert.LessOrEqual(t, sessions*19, len(bytes), "no session is of less than 19 bytes")
		again, err := Decode(gap, b.Encode())
		require.NoError(t, err)
		assert.Equal(t, told(b), told(again))
		b.Enter("u", 1_700_000_000_000, "e")
		b.Forget(0)
	})
}

// BenchmarkEnter enters clicks of one user by time, each of a session of its own: a click takes as long among a million
// sessions as among a thousand.
func BenchmarkEnter(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				book := NewBook(time.Second)
				for i := range n {
					book.Enter("user", int64(i)*1000, "event")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/click")
		})
	}
}

// BenchmarkLate enters as many, the later first.
func BenchmarkLate(b *testing.B) {
	const n = 50_000 // half-hours in three years
	for b.Loop() {
		book := NewBook(time.Second)
		for i := range n {
			book.Enter("user", int64(n-i)*1000, "event")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/click")
}
