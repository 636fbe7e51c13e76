package table

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/transforms/click"
)

func stateSettings(dir string, format string, shards int) Settings {
	return Settings{Path: dir, Format: format, Topic: "t", Cluster: "c", TopicID: "i", Window: time.Minute, Shards: shards, Version: "test", Begin: map[int32]int64{0: 7, 1: 0}}
}

func openState(t *testing.T, s Settings) Table {
	t.Helper()
	opened, err := Open(t.Context(), s)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, opened.Close()) })
	return opened
}

// counted returns a window of one page that was counted from the given offsets of partition 0.
func counted(start time.Time, shard int, first, next int64) Window {
	return Window{
		Start: start, End: start.Add(time.Minute), Shard: shard, Views: map[string]int64{"/": 1}, Events: 1,
		Offsets: map[int32]click.OffsetRange{0: {First: first, Next: next}},
	}
}

func TestStateOfANewTable(t *testing.T) {
	eachFormat(t, func(t *testing.T, s Settings) {
		dir := filepath.Join(t.TempDir(), "table")
		opened := openState(t, stateSettings(dir, s.Format, 1))
		state, err := opened.State(t.Context(), 5*time.Minute)
		require.NoError(t, err)
		assert.Equal(t, map[int32]int64{0: 7, 1: 0}, state.Begun)
		assert.True(t, state.Final.IsZero())

		// Whoever comes later, with other offsets, is told the first ones.
		later := stateSettings(dir, s.Format, 1)
		later.Begin = map[int32]int64{0: 99}
		state, err = openState(t, later).State(t.Context(), 0)
		require.NoError(t, err)
		assert.Equal(t, map[int32]int64{0: 7, 1: 0}, state.Begun)
	})
}

func TestStateFollowsTheSlowestShard(t *testing.T) {
	eachFormat(t, func(t *testing.T, s Settings) {
		noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		opened := openState(t, stateSettings(t.TempDir(), s.Format, 2))
		_, err := opened.Replace(t.Context(), []Window{counted(noon, 0, 10, 20), counted(noon.Add(9*time.Minute), 0, 80, 100)})
		require.NoError(t, err)
		state, err := opened.State(t.Context(), 5*time.Minute)
		require.NoError(t, err)
		assert.True(t, state.Final.IsZero(), "shard 1 has no window")

		_, err = opened.Replace(t.Context(), []Window{counted(noon.Add(7*time.Minute), 1, 60, 90)})
		require.NoError(t, err)
		state, err = opened.State(t.Context(), 5*time.Minute)
		require.NoError(t, err)
		assert.Equal(t, noon.Add(3*time.Minute), state.Final)
		assert.Equal(t, map[int32]int64{0: 100}, state.Consumed)
		assert.Equal(t, map[int32]int64{0: 60}, state.First, "of the windows that are open; the final one's are no longer needed")

		state, err = opened.State(t.Context(), 90*time.Second)
		require.NoError(t, err)
		assert.Equal(t, noon.Add(6*time.Minute), state.Final, "down to a window's border")
	})
}

func TestTableOfSomethingElseIsRefusedBeforeItHoldsAnything(t *testing.T) {
	eachFormat(t, func(t *testing.T, s Settings) {
		dir := t.TempDir()
		openState(t, stateSettings(dir, s.Format, 1))
		for what, change := range map[string]func(*Settings){
			"topic t, not other":                       func(s *Settings) { s.Topic = "other" },
			"Kafka cluster c, not d":                   func(s *Settings) { s.Cluster = "d" },
			"window 1m0s, not 2m0s":                    func(s *Settings) { s.Window = 2 * time.Minute },
			"number of shards 1, not 3":                func(s *Settings) { s.Shards = 3 },
			"with no optional step, not with --top 10": func(s *Settings) { s.Top = 10 },
			"topic t of id i, which is of id j now":    func(s *Settings) { s.TopicID = "j" },
		} {
			other := stateSettings(dir, s.Format, 1)
			change(&other)
			_, err := Open(t.Context(), other)
			require.ErrorContains(t, err, what)
		}
		unknown := stateSettings(dir, s.Format, 1)
		unknown.Cluster, unknown.TopicID = "", ""
		m, err := openState(t, unknown).Metadata(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{"c", "i"}, []string{m.Cluster, m.TopicID}, "whoever does not know them leaves them")

		older := stateSettings(t.TempDir(), s.Format, 1)
		older.TopicID = ""
		openState(t, older)
		older.TopicID = "j"
		m, err = openState(t, older).Metadata(t.Context())
		require.NoError(t, err)
		assert.Empty(t, m.TopicID, "a table that does not tell stays as it is, and is any topic's of that name")
	})
}

func TestDamagedRecordIsAnError(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, recordFile), []byte("{"), 0o600))
	_, err := Open(t.Context(), stateSettings(dir, Parquet, 1))
	assert.ErrorContains(t, err, "is damaged")
}

// TestRebuiltWindowsDoNotMoveOn has a window rebuilt from more than runs have read: the next run goes on where the
// last one was.
func TestRebuiltWindowsDoNotMoveOn(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	opened := openState(t, stateSettings(dir, Parquet, 1))
	_, err := opened.Replace(t.Context(), []Window{counted(noon, 0, 10, 20), counted(noon.Add(time.Minute), 0, 15, 60)})
	require.NoError(t, err)
	before, err := opened.State(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, map[int32]int64{0: 60}, before.Consumed)

	for _, start := range []time.Time{noon, noon.Add(time.Minute)} {
		rebuilt := counted(start, 0, 10, 900)
		rebuilt.Views, rebuilt.Events, rebuilt.Consumed = map[string]int64{"/": 3}, 3, before.Consumed
		_, err := opened.Replace(t.Context(), []Window{rebuilt})
		require.NoError(t, err)
	}
	after, err := opened.State(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, before, after)

	view, err := View(t.Context(), dir)
	require.NoError(t, err)
	seen, err := view.State(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, before, seen, "who only reads sees the same")
	for info, err := range view.Windows(t.Context(), Span{}) {
		require.NoError(t, err)
		assert.Equal(t, before.Consumed, info.Consumed, "it tells that it was rebuilt")
		assert.Equal(t, click.OffsetRange{First: 10, Next: 900}, info.Offsets[0])
	}
}

func TestMetadata(t *testing.T) {
	dir := t.TempDir()
	view, err := View(t.Context(), dir)
	require.NoError(t, err)
	_, err = view.Metadata(t.Context())
	require.ErrorIs(t, err, ErrEmpty)
	s, err := view.State(t.Context(), 0)
	require.NoError(t, err)
	assert.True(t, s.Final.IsZero())

	made := stateSettings(dir, Parquet, 2)
	made.Steps = click.Steps{Top: 2}
	opened := openState(t, made)
	want := Metadata{Format: Parquet, Topic: "t", Cluster: "c", TopicID: "i", Window: time.Minute, Shards: 2, Steps: made.Steps, Begun: map[int32]int64{0: 7, 1: 0}, Version: "test"}
	m, err := view.Metadata(t.Context())
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), m.Made, time.Minute)
	want.Made = m.Made
	assert.Equal(t, want, m)

	_, err = opened.Replace(t.Context(), []Window{counted(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1, 10, 20)})
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, recordFile)))
	want.Begun, want.Made, want.TopicID = nil, time.Time{}, ""
	m, err = view.Metadata(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, m, "as the newest window says")

	require.NoError(t, os.WriteFile(filepath.Join(dir, recordFile), []byte(`{"window":"never"}`), 0o600))
	_, err = view.Metadata(t.Context())
	assert.ErrorContains(t, err, "is damaged")
}
