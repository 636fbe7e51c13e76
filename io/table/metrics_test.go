package table

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
	"clickstream/transforms/click"
)

// metricsOfNewest returns what the newest version of the table at root tells beside Delta's own metrics.
func metricsOfNewest(t *testing.T, root string) map[string]string {
	t.Helper()
	entries, err := filepath.Glob(filepath.Join(root, "_delta_log", "*.json"))
	require.NoError(t, err)
	data, err := os.ReadFile(entries[len(entries)-1])
	require.NoError(t, err)
	e, err := delta.ParseEntry(int64(len(entries)-1), data)
	require.NoError(t, err)
	m := e.Info.OperationMetrics
	for _, common := range []string{"numFiles", "numRemovedFiles", "numOutputRows", "numOutputBytes"} {
		assert.NotEmpty(t, m[common])
		delete(m, common)
	}
	took, err := strconv.Atoi(m["commitMillis"])
	require.NoError(t, err)
	assert.GreaterOrEqual(t, took, 0)
	delete(m, "commitMillis")
	return m
}

// TestCommitsTellHowThePipelineGoes has windows come, come again with more, and be counted anew by a rebuild.
func TestCommitsTellHowThePipelineGoes(t *testing.T) {
	s := settings(t.TempDir())
	s.Format = Delta
	table := open(t, s)
	var latency click.Durations
	latency.Observe(200*time.Millisecond, 3)
	now := time.Now().UTC().Truncate(time.Minute)
	ago := func(minute int, views int64, tally click.Tally) Window {
		start := now.Add(-time.Duration(minute) * time.Minute)
		w := window(0, map[string]int64{"/": views})
		w.Start, w.End, w.Tally = start, start.Add(time.Minute), tally
		return w
	}
	replace(t, table, ago(2, 3, click.Tally{Latency: latency, Skipped: 4}), ago(3, 2, click.Tally{Deferred: 1}))
	m := metricsOfNewest(t, s.Path)
	published, err := click.ParseDurations(m["publishLatency"])
	require.NoError(t, err)
	assert.EqualValues(t, 2, published.Count())
	assert.GreaterOrEqual(t, published.Millis, (3 * time.Minute).Milliseconds(), "they ended one and two minutes before this one began")
	delete(m, "publishLatency")
	assert.Equal(t, map[string]string{"processingLatency": "600 250:3", "countedClicks": "5", "skippedClicks": "4", "deferredClicks": "1"}, m)

	again := ago(2, 5, click.Tally{})
	again.Events, again.Duplicates = 7, 2
	replace(t, table, again, ago(3, 2, click.Tally{Skipped: 9}))
	assert.Equal(t, map[string]string{"countedClicks": "4", "duplicateClicks": "2", "skippedClicks": "9"}, metricsOfNewest(t, s.Path), "what is new; a window that is as it was tells all the same")

	rebuilt := ago(9, 8, click.Tally{})
	rebuilt.Consumed = map[int32]int64{0: 1}
	replace(t, table, rebuilt)
	assert.Equal(t, map[string]string{"countedClicks": "8"}, metricsOfNewest(t, s.Path), "it was not late for anybody")
}
