package table

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestNamesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := name{
			start:  time.UnixMilli(rapid.Int64Range(946684800000, 4102444800000).Draw(t, "start")).UTC(),
			length: time.Duration(rapid.Int64Range(1, 1<<32).Draw(t, "length")) * time.Millisecond,
			shards: rapid.IntRange(1, 200_000).Draw(t, "shards"),
		}
		n.shard = rapid.IntRange(0, n.shards-1).Draw(t, "shard")
		back, ok := parseName(n.path())
		require.True(t, ok, n.path())
		require.Equal(t, n, back)
		require.NotContains(t, n.path(), ":")
	})
}

func TestNameIsByUTCDate(t *testing.T) {
	east := time.FixedZone("", 5*3600)
	n := name{time.Date(2026, 11, 23, 3, 35, 0, 0, east), time.Minute, 2, 16}
	assert.Equal(t, "window_date=2026-11-22/20261122T223500Z-1m0s-00002-of-00016.parquet", n.path())
	n.start = n.start.Add(250 * time.Millisecond)
	assert.Equal(t, "window_date=2026-11-22/20261122T223500.250Z-1m0s-00002-of-00016.parquet", n.path())
}

func TestOtherNamesAreNone(t *testing.T) {
	good := name{at(1), time.Minute, 0, 1}.path()
	_, ok := parseName(good)
	require.True(t, ok)
	for _, path := range []string{
		"", "part-00000.parquet", strings.TrimSuffix(good, ".parquet"), "x/" + good, good[len("window_date=2026-11-23/"):],
		strings.Replace(good, "window_date=2026-11-23", "window_date=2026-11-24", 1), strings.Replace(good, "1m0s", "60s", 1),
		strings.Replace(good, "00000", "0", 1), strings.Replace(good, "of", "on", 1),
	} {
		_, ok := parseName(path)
		assert.False(t, ok, path)
	}
}
