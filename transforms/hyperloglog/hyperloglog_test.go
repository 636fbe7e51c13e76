package hyperloglog

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestError measures the estimates of 50 sets of each size, of fixed members, against what is stated: the root of the mean
// square of the errors and, of 50, their mean.
func TestError(t *testing.T) {
	const trials = 50
	sizes := []int{1, 2, 3, 10, 100, 1000, 2000, 3000, MaxSparse, MaxSparse + 10, 5000, 7000, 10_000, 15_000, 20_000, 30_000, 40_000, 60_000, 100_000, 300_000, 1_000_000}
	mean, square := make([]float64, len(sizes)), make([]float64, len(sizes))
	for trial := range trials {
		var s Sketch
		n := 0
		for i, size := range sizes {
			for ; n < size; n++ {
				s.Add(member(trial, n))
			}
			e := float64(s.Estimate())/float64(size) - 1
			mean[i] += e / trials
			square[i] += e * e / trials
		}
	}
	for i, size := range sizes {
		rms := math.Sqrt(square[i])
		t.Logf("%7d: mean %+.4f %%, rms %.4f %%", size, 100*mean[i], 100*rms)
		if size <= MaxSparse {
			assert.Less(t, rms, 0.0003, size)
			continue
		}
		// 50 samples tell the deviation to within a tenth, and the mean to within a seventh of it.
		assert.Less(t, rms, 1.3*StandardError, size)
		assert.Less(t, math.Abs(mean[i]), 3*StandardError/math.Sqrt(trials), size)
	}
}

func member(set, n int) string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], uint64(set))
	binary.LittleEndian.PutUint64(b[8:], uint64(n))
	return string(b[:])
}

// TestSketchFollowsFromTheSet adds members in parts, some of them in several, merges the parts in any grouping and order,
// some of them encoded between, and wants the bytes of a sketch to which all were added in turn.
func TestSketchFollowsFromTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 20, 1000, MaxSparse - 3, MaxSparse + 5, 2 * MaxSparse, 20_000}).Draw(t, "n")
		var whole Sketch
		parts := make([]Sketch, rapid.IntRange(1, 6).Draw(t, "parts"))
		step := rapid.IntRange(1, 50).Draw(t, "step")
		for i := range n {
			whole.Add(member(0, i))
			parts[i/step%len(parts)].Add(member(0, i))
			if i%7 == 0 {
				parts[i%len(parts)].Add(member(0, i/2))
			}
		}
		for len(parts) > 1 {
			i := rapid.IntRange(0, len(parts)-2).Draw(t, "merge")
			if rapid.Bool().Draw(t, "swap") {
				parts[i], parts[i+1] = parts[i+1], parts[i]
			}
			if rapid.Bool().Draw(t, "encode") {
				read, rest, err := Read(parts[i].Append(nil))
				require.NoError(t, err)
				require.Empty(t, rest)
				parts[i] = read
			}
			before := parts[i+1].Append(nil)
			parts[i].Merge(&parts[i+1])
			require.Equal(t, before, parts[i+1].Append(nil), "it stays as it is")
			parts = append(parts[:i+1], parts[i+2:]...)
		}
		require.Equal(t, whole.Append(nil), parts[0].Append(nil))
		require.Equal(t, whole.Estimate(), parts[0].Estimate())
		again := parts[0].Append(nil)
		parts[0].Merge(&whole)
		require.Equal(t, again, parts[0].Append(nil), "it is all there already")
		require.Equal(t, whole.dense != nil, n > MaxSparse)
	})
}

// TestRegistersAreOfTheHash holds what a sketch keeps by way of entries against the definition of a register.
func TestRegistersAreOfTheHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hash := rapid.Uint64().Draw(t, "hash") >> rapid.IntRange(0, 63).Draw(t, "zeros")
		hash |= rapid.Uint64Range(0, 1<<precision-1).Draw(t, "index") << (64 - precision)
		rank := 1
		for bit := 64 - precision - 1; bit >= 0 && hash>>bit&1 == 0; bit-- {
			rank++
		}
		at, got := entryOf(hash).register()
		require.Equal(t, uint32(hash>>(64-precision)), at)
		require.EqualValues(t, rank, got)
		require.NotZero(t, entryOf(hash))
	})
}

// TestEstimatesDoNotMove has estimates as they are: windows that are counted anew are to give the rows that they gave.
func TestEstimatesDoNotMove(t *testing.T) {
	var s Sketch
	got := map[int]int64{}
	for n := 1; n <= 1_000_000; n++ {
		s.Add(member(1, n))
		switch n {
		case 1, 4096, 5000, 20_000, 100_000, 1_000_000:
			got[n] = s.Estimate()
		}
	}
	assert.Equal(t, map[int]int64{1: 1, 4096: 4095, 5000: 4963, 20_000: 19_942, 100_000: 99_836, 1_000_000: 998_786}, got)
}

func TestEmptyAndFull(t *testing.T) {
	assert.Zero(t, new(Sketch).Estimate())
	var none, all [maxRank + 1]float64
	none[0], all[maxRank] = registers, registers
	assert.Zero(t, estimate(&none))
	assert.Positive(t, estimate(&all))
}

func FuzzRead(f *testing.F) {
	for _, n := range []int{0, 1, 100, 5000} {
		var s Sketch
		for i := range n {
			s.Add(member(0, i))
		}
		f.Add(append(s.Append(nil), 7))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, rest, err := Read(b)
		if err != nil {
			require.ErrorIs(t, err, ErrEncoding)
			return
		}
		assert.GreaterOrEqual(t, s.Estimate(), int64(0))
		again, left, err := Read(append(s.Append(nil), rest...))
		require.NoError(t, err)
		assert.Equal(t, s, again)
		assert.Equal(t, rest, left)
	})
}

func BenchmarkAdd(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprint(n, " texts"), func(b *testing.B) {
			size := 0
			for b.Loop() {
				var s Sketch
				for i := range n {
					s.Add(member(0, i))
				}
				size = len(s.Append(nil))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/text")
			b.ReportMetric(float64(size), "encoded-B")
		})
	}
}
