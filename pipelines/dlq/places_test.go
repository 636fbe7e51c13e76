package dlq

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/transforms/click"
)

func TestPlacesAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		is, want := places{}, map[int64]bool{}
		step := rapid.SampledFrom([]int64{1, 2, 1000, 40_000}).Draw(t, "step")
		for range rapid.IntRange(0, 200).Draw(t, "runs") {
			from := rapid.Int64Range(0, 100).Draw(t, "from") * step
			for o := from; o < from+rapid.Int64Range(1, 100).Draw(t, "length"); o++ {
				require.Equal(t, !want[o], is.add(3, o))
				want[o] = true
			}
		}
		for o := range int64(101 * 1000) {
			require.Equal(t, want[o], is.has(3, o), "%d", o)
		}
		require.False(t, is.has(4, 0))

		all := ranges(slices.Collect(maps.Keys(want)))
		var n int64
		for i, r := range all {
			n += r.Next - r.First
			require.True(t, i == 0 || all[i-1].Next < r.First)
		}
		require.EqualValues(t, len(want), n)
		if len(all) > 0 {
			back, err := readRanges(writeRanges(all))
			require.NoError(t, err)
			require.Equal(t, all, back)
		}
	})
}

func TestRangesThatAreNone(t *testing.T) {
	assert.Equal(t, "5-9,12", writeRanges([]click.OffsetRange{{First: 5, Next: 10}, {First: 12, Next: 13}}))
	for _, text := range []string{"", "x", "5-", "9-5", "-1", "1,,2", "0-99999999999999"} {
		_, err := readRanges(text)
		assert.Error(t, err, text)
	}
}
