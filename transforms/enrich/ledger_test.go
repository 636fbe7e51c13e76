package enrich

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/transforms/click"
)

// TestLedger has ranges of offsets come in any order, with visits in them that wait and go: the frontier is the first offset
// that has not come, or that waits.
func TestLedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begin := map[int32]int64{0: rapid.Int64Range(0, 5).Draw(t, "begin"), 1: 7}
		l := newLedger(begin)
		type chunk struct {
			partition int32
			click.OffsetRange
		}
		var chunks []chunk
		for p, next := range begin {
			for range rapid.IntRange(0, 12).Draw(t, "chunks") {
				first := next
				next += rapid.Int64Range(0, 4).Draw(t, "records")
				chunks = append(chunks, chunk{p, click.OffsetRange{First: first, Next: next}})
			}
		}
		come, waits := map[int32]map[int64]bool{0: {}, 1: {}}, map[int32]map[int64]bool{0: {}, 1: {}}
		for _, c := range rapid.Permutation(chunks).Draw(t, "order") {
			for o := c.First; o < c.Next; o++ {
				come[c.partition][o] = true
				if rapid.Bool().Draw(t, "waits") {
					waits[c.partition][o] = true
					l.wait(map[int32]int64{c.partition: o})
				}
			}
			l.reach(map[int32]click.OffsetRange{c.partition: c.OffsetRange})
			if rapid.Bool().Draw(t, "sifted") {
				clear(l.low)
				for p, of := range waits {
					for o := range of {
						if rapid.Bool().Draw(t, "goes") {
							delete(of, o)
							continue
						}
						l.wait(map[int32]int64{p: o})
					}
				}
			}
			var err error
			l, err = decodeLedger(l.encode())
			require.NoError(t, err)
			for p, next := range l.frontier().Next {
				want := begin[p]
				for come[p][want] && !waits[p][want] {
					want++
				}
				require.Equal(t, want, next)
			}
		}
		assert.Empty(t, l.ahead, "all has come")
	})
}

// TestLedgerTwice has a range come again, wholly or in part.
func TestLedgerTwice(t *testing.T) {
	l := newLedger(map[int32]int64{3: 10})
	for _, step := range []struct {
		first, next, frontier int64
	}{{10, 12, 12}, {10, 12, 12}, {11, 14, 14}, {5, 8, 14}, {20, 22, 14}, {20, 25, 14}, {18, 21, 14}, {14, 18, 25}, {25, 25, 25}} {
		l.reach(map[int32]click.OffsetRange{3: {First: step.first, Next: step.next}})
		assert.Equal(t, step.frontier, l.frontier().Next[3], "after %d-%d", step.first, step.next)
	}
	assert.Empty(t, l.ahead)
}

func TestLeast(t *testing.T) {
	at, all := least(map[int64]Frontier{
		0: {map[int32]int64{0: 5, 1: 9}, 30},
		1: {map[int32]int64{0: 7, 1: 2}, 20},
		2: {map[int32]int64{0: 6, 1: 3, 2: 1}, 25},
	})
	assert.Equal(t, Frontier{map[int32]int64{0: 5, 1: 2, 2: 1}, 20}, at)
	assert.True(t, all)
	at, all = least(map[int64]Frontier{0: {map[int32]int64{0: 5}, 0}, 1: {map[int32]int64{0: 6}, 9}})
	assert.Equal(t, Frontier{map[int32]int64{0: 5}, 9}, at)
	assert.False(t, all)
}

func TestNotes(t *testing.T) {
	for _, n := range []Note{{}, {Run: "run"}, {Run: "run", Until: 5}, {Run: "run", Until: -5}} {
		assert.Equal(t, n, ParseNote(n.String()))
	}
	for text, want := range map[string]Note{
		"": {}, "run": {Run: "run"}, "run x": {Run: "run"}, "run 5 6": {Run: "run"}, "run 99999999999999999999": {Run: "run"}, " 5": {Until: 5},
	} {
		assert.Equal(t, want, ParseNote(text), text)
	}
	// What all buckets have found is where sessions go on. While some have found none yet, it is where they went on before.
	assert.EqualValues(t, 7, Note{}.reach(7, false).Until)
	assert.EqualValues(t, 5, Note{Until: 5}.reach(7, false).Until)
	assert.EqualValues(t, 7, Note{Until: 5}.reach(7, true).Until)
	assert.EqualValues(t, 5, Note{Until: 5}.reach(3, true).Until, "some one click that is old is no reason to go back")
}
