package monitor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/table"
	"clickstream/pipelines/vitals"
	"clickstream/transforms/click"
)

// views opens a Delta table at path.
func views(t *testing.T, path string) table.Table {
	t.Helper()
	made, err := table.Open(t.Context(), table.Settings{
		Path: path, Format: table.Delta, Topic: "clicks", Window: time.Minute, Shards: 1, Version: "test", Begin: map[int32]int64{0: 0},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, made.Close()) })
	return made
}

// store puts a window into the table, with so many clicks of a page.
func store(t *testing.T, to table.Table, start time.Time, clicks int64) {
	t.Helper()
	w := table.Window{
		Start: start, End: start.Add(time.Minute), Views: map[string]int64{"/": clicks}, Events: clicks,
		Offsets: map[int32]click.OffsetRange{0: {First: 0, Next: clicks}},
	}
	w.Tally.Latency.Observe(200*time.Millisecond, clicks)
	w.Tally.Skipped = 3
	_, err := to.Replace(t.Context(), []table.Window{w})
	require.NoError(t, err)
}

func TestTheTableTellsOfThePipeline(t *testing.T) {
	path := t.TempDir() + "/views"
	s := newTable(Config{Table: path, AllowedLateness: 5 * time.Minute})
	require.NoError(t, s.look(t.Context()))
	v := vitalsOf(s)
	assert.Nil(t, v.State)
	assert.Zero(t, v.Window)
	assert.Equal(t, &vitals.Checkpoints{}, v.Checkpoints)

	to := views(t, path)
	start := time.Now().UTC().Truncate(time.Minute).Add(-time.Minute)
	store(t, to, start.Add(-time.Minute), 10)
	store(t, to, start, 5)
	store(t, to, start, 12)
	require.NoError(t, s.look(t.Context()))
	v = vitalsOf(s)
	assert.Equal(t, time.Minute, v.Window)
	assert.EqualValues(t, 22, v.Counters.Counted)
	assert.EqualValues(t, 9, v.Counters.Skipped)
	assert.EqualValues(t, 3, v.Counters.Commits)
	assert.EqualValues(t, 3, v.Counters.Files)
	assert.EqualValues(t, 27, v.Latency.Count(), "what was read again is read again")
	assert.EqualValues(t, 2, v.Publish.Count(), "a window each")
	assert.EqualValues(t, 3, v.Checkpoints.Completed)
	assert.EqualValues(t, 2, v.State.Files)
	assert.Equal(t, []vitals.Page{{URL: "/", Views: 12}}, v.State.Top)
	assert.Equal(t, start.Add(time.Minute), v.State.NewestEnd)

	again := newTable(Config{Table: path})
	require.NoError(t, again.look(t.Context()))
	v = vitalsOf(again)
	assert.Zero(t, v.Counters, "what was there before is not counted")
	assert.Zero(t, v.Latency.Count())
	assert.EqualValues(t, 2, v.State.Files)
}

func TestATableThatIsNone(t *testing.T) {
	s := newTable(Config{Table: "s3:///nowhere"})
	err := s.look(t.Context())
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "\n")
}
