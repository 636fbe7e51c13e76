package enrich

import (
	"encoding/binary"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/transforms/click"
)

var (
	drawOffsets = rapid.MapOfN(rapid.Int32(), rapid.Int64(), 0, 5)
	drawRanges  = rapid.MapOfN(rapid.Int32(), rapid.Custom(func(t *rapid.T) click.OffsetRange {
		return click.OffsetRange{First: rapid.Int64().Draw(t, "first"), Next: rapid.Int64().Draw(t, "next")}
	}), 0, 5)
	drawBlock    = rapid.SliceOfN(rapid.Byte(), 0, 40)
	drawFrontier = rapid.Custom(func(t *rapid.T) Frontier {
		return Frontier{drawOffsets.Draw(t, "next"), rapid.Int64().Draw(t, "time")}
	})
	drawVisit = rapid.Custom(func(t *rapid.T) click.Visit {
		return click.Visit{
			Event: click.Event{
				ID: rapid.String().Draw(t, "id"), User: rapid.String().Draw(t, "user"), Session: rapid.String().Draw(t, "session"),
				Offset: rapid.Int64().Draw(t, "offset"), Timestamp: rapid.Int64().Draw(t, "timestamp"),
			},
			Page: rapid.String().Draw(t, "page"), Time: rapid.Int64().Draw(t, "time"), Partition: rapid.Int32().Draw(t, "partition"),
		}
	})
)

// TestCodecs has everything that goes between workers arrive as it was, and what was cut be refused.
func TestCodecs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Parcel{
			Reach: drawRanges.Draw(t, "reach"), Time: rapid.Int64().Draw(t, "time"), Ready: drawBlock.Draw(t, "ready"), Waiting: drawBlock.Draw(t, "waiting"),
			Low: drawOffsets.Draw(t, "low"), Due: rapid.Int64().Draw(t, "due"), Count: rapid.Int().Draw(t, "count"),
		}
		f := Found{drawBlock.Draw(t, "visits"), drawBlock.Draw(t, "ready"), drawFrontier.Draw(t, "frontier")}
		m := Mark{rapid.Int64().Draw(t, "bucket"), drawFrontier.Draw(t, "frontier")}
		arrives(t, p, encodeParcel, decodeParcel)
		arrives(t, f, encodeFound, decodeFound)
		arrives(t, m, encodeMark, decodeMark)
		again, err := decodeParcel(encodeParcel(p))
		require.NoError(t, err)
		assert.Equal(t, encodeParcel(p), encodeParcel(again), "the same bytes each time")

		l := &ledger{
			next: drawOffsets.Draw(t, "next"), low: drawOffsets.Draw(t, "low"), due: rapid.Int64().Draw(t, "due"), time: rapid.Int64().Draw(t, "time"),
			ahead: map[int32][]click.OffsetRange{},
		}
		for range rapid.IntRange(0, 3).Draw(t, "ahead") {
			for p, r := range drawRanges.Draw(t, "ranges") {
				l.ahead[p] = append(l.ahead[p], r)
			}
		}
		same, err := decodeLedger(l.encode())
		require.NoError(t, err)
		assert.Equal(t, l, same)
	})
}

func arrives[T any](t *rapid.T, v T, encode func(T) []byte, decode func([]byte) (T, error)) {
	bytes := encode(v)
	again, err := decode(bytes)
	require.NoError(t, err)
	assert.Equal(t, v, again)
	_, err = decode(append(bytes, 0))
	require.ErrorIs(t, err, errEncoding)
	_, err = decode(bytes[:rapid.IntRange(0, len(bytes)-1).Draw(t, "cut")])
	require.ErrorIs(t, err, errEncoding)
}

func TestVisits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(drawVisit, 0, 5).Draw(t, "visits")
		var block []byte
		ends := map[int]bool{0: true}
		for i := range want {
			block = appendVisit(block, &want[i])
			ends[len(block)] = true
		}
		var got []click.Visit
		require.NoError(t, visits(block, func(v *click.Visit) error {
			got = append(got, *v)
			return nil
		}))
		for i := range block { // what was decoded is nobody else's
			block[i] = 0xff
		}
		if len(want) == 0 {
			want = nil
		}
		assert.Equal(t, want, got)
	})
	require.ErrorIs(t, visits([]byte{0, 0, 0, 0, 0, 0, 0, 1}, func(*click.Visit) error { return nil }), errEncoding)
	require.ErrorIs(t, visits(appendVisit(nil, &click.Visit{}), func(*click.Visit) error { return assert.AnError }), assert.AnError)
}

// TestLengthsThatLie has nothing taken that is not there: neither for text nor for maps.
func TestLengthsThatLie(t *testing.T) {
	var before, after runtime.MemStats
	for _, n := range []uint64{math.MaxUint64, math.MaxInt64, math.MaxInt64 + 1, 1 << 40, 1 << 31, 1 << 20} {
		length := binary.AppendUvarint(nil, n)
		runtime.ReadMemStats(&before)
		for _, behind := range [][]byte{nil, make([]byte, 100)} {
			at := func(zeros int) []byte { return slices.Concat(make([]byte, zeros), length, behind) }
			for _, zeros := range []int{0, 2, 3, 4} { // reach, ready, waiting, low
				_, err := decodeParcel(at(zeros))
				require.ErrorIs(t, err, errEncoding)
			}
			for zeros := range 3 { // visits, ready, frontier
				_, err := decodeFound(at(zeros))
				require.ErrorIs(t, err, errEncoding)
			}
			_, err := decodeMark(at(1)) // frontier
			require.ErrorIs(t, err, errEncoding)
			for _, zeros := range []int{0, 1, 4} { // next, low, ahead
				_, err := decodeLedger(at(zeros))
				require.ErrorIs(t, err, errEncoding)
			}
			for zeros := range 4 { // id, user, session, page
				require.ErrorIs(t, visits(at(4+zeros), func(*click.Visit) error { return nil }), errEncoding)
			}
		}
		runtime.ReadMemStats(&after)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100_000), "a length of %d", n)
	}
	many := append(binary.AppendUvarint(nil, 1<<20), make([]byte, 2<<20)...) // entries that are there, all of partition 0
	runtime.ReadMemStats(&before)
	d := decoder{bytes: many}
	assert.Len(t, d.offsets(), 1)
	runtime.ReadMemStats(&after)
	require.NoError(t, d.end())
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100_000))
}

// FuzzDecoders gives any bytes to all that decodes. What they take is what they encode.
func FuzzDecoders(f *testing.F) {
	f.Add(encodeParcel(Parcel{Reach: map[int32]click.OffsetRange{1: {First: 2, Next: 3}}, Low: map[int32]int64{1: 2}, Waiting: []byte{1}, Count: 1}))
	f.Add(encodeFound(Found{Visits: []byte{1}, Frontier: Frontier{Next: map[int32]int64{1: 2}, Time: 3}}))
	f.Add(encodeMark(Mark{1, Frontier{Next: map[int32]int64{1: 2}}}))
	f.Add((&ledger{next: map[int32]int64{1: 2}, ahead: map[int32][]click.OffsetRange{1: {{First: 5, Next: 6}}}}).encode())
	f.Add(appendVisit(nil, &click.Visit{Event: click.Event{ID: "id", User: "user"}, Page: "/"}))
	f.Fuzz(func(t *testing.T, bytes []byte) {
		if p, err := decodeParcel(bytes); err == nil {
			again, err := decodeParcel(encodeParcel(p))
			require.NoError(t, err)
			assert.Equal(t, p, again)
		}
		if x, err := decodeFound(bytes); err == nil {
			again, err := decodeFound(encodeFound(x))
			require.NoError(t, err)
			assert.Equal(t, x, again)
		}
		if m, err := decodeMark(bytes); err == nil {
			again, err := decodeMark(encodeMark(m))
			require.NoError(t, err)
			assert.Equal(t, m, again)
		}
		if l, err := decodeLedger(bytes); err == nil {
			again, err := decodeLedger(l.encode())
			require.NoError(t, err)
			assert.Equal(t, l, again)
			l.reach(map[int32]click.OffsetRange{0: {First: 0, Next: 1}})
			l.frontier()
		}
		var again []byte
		if err := visits(bytes, func(v *click.Visit) error { again = appendVisit(again, v); return nil }); err == nil {
			assert.LessOrEqual(t, len(again), len(bytes))
		}
	})
}
