package table_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"clickstream/io/table"
	"clickstream/testing/buckets"
)

// TestTableInABucket makes a Delta table in S3 and in GCS, with two instances that write to it at once.
func TestTableInABucket(t *testing.T) {
	for name, start := range map[string]func(*testing.T) string{
		"s3": func(t *testing.T) string { return buckets.S3(t) },
		"gs": func(t *testing.T) string { return buckets.GCS(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s := table.Settings{
				Path: start(t) + "/silver/page_views", Format: table.Delta, Topic: "t", Window: time.Minute, Shards: 1,
				Version: "test", Begin: map[int32]int64{0: 3},
			}
			noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			var group errgroup.Group
			for writer := range 2 {
				group.Go(func() error {
					opened, err := table.Open(t.Context(), s)
					if err != nil {
						return err
					}
					for minute := range 4 {
						start := noon.Add(time.Duration(minute) * time.Minute)
						views := map[string]int64{"/a": int64(1 + writer)}
						_, err := opened.Replace(t.Context(), []table.Window{{Start: start, End: start.Add(time.Minute), Views: views, Events: views["/a"]}})
						if err != nil {
							return err
						}
					}
					return opened.Close()
				})
			}
			require.NoError(t, group.Wait())

			view, err := table.View(t.Context(), s.Path)
			require.NoError(t, err)
			var windows int
			for row, err := range view.Scan(t.Context(), table.Filter{}) {
				require.NoError(t, err)
				assert.EqualValues(t, 2, row.ViewCount, "the larger of both stays")
				windows++
			}
			assert.Equal(t, 4, windows)
			state, err := view.State(t.Context(), time.Minute)
			require.NoError(t, err)
			assert.Equal(t, map[int32]int64{0: 3}, state.Begun)
			assert.Equal(t, noon.Add(3*time.Minute), state.Final)
			for _, err := range table.Vacuum(t.Context(), s.Path, time.Hour, true) {
				require.NoError(t, err)
			}
			maintain(t, s, noon)
		})
	}
}

// maintain merges an hour's files, once it is closed, replaces a window of the merged file, and vacuums.
func maintain(t *testing.T, s table.Settings, noon time.Time) {
	t.Helper()
	opened, err := table.Open(t.Context(), s)
	require.NoError(t, err)
	put := func(start time.Time, views int64) {
		t.Helper()
		_, err := opened.Replace(t.Context(), []table.Window{{Start: start, End: start.Add(time.Minute), Views: map[string]int64{"/a": views}, Events: views}})
		require.NoError(t, err)
	}
	put(noon.Add(time.Hour), 2)
	var merged []table.Compacted
	for done, err := range table.Compact(t.Context(), s.Path, table.Compaction{Into: time.Hour, Version: "test"}) {
		require.NoError(t, err)
		merged = append(merged, done)
	}
	require.Len(t, merged, 1)
	assert.Equal(t, 4, merged[0].Files)
	put(noon.Add(time.Minute), 5)
	var garbage int
	for _, err := range table.Vacuum(t.Context(), s.Path, 0, false) {
		require.NoError(t, err)
		garbage++
	}
	assert.Positive(t, garbage)
	views := map[time.Time]int64{}
	for row, err := range opened.Scan(t.Context(), table.Filter{}) {
		require.NoError(t, err)
		views[row.WindowStart] = row.ViewCount
	}
	assert.Equal(t, map[time.Time]int64{
		noon: 2, noon.Add(time.Minute): 5, noon.Add(2 * time.Minute): 2, noon.Add(3 * time.Minute): 2, noon.Add(time.Hour): 2,
	}, views)
	require.NoError(t, opened.Close())
}
