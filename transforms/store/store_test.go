package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/io/table"
	"clickstream/transforms/click"
	"clickstream/transforms/count"
	"clickstream/transforms/progress"
	"clickstream/transforms/teardown"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestBundleKeepsTheLargestFiring gives the step several firings of a window in one bundle, in no order, as Prism does
// when the watermark jumps.
func TestBundleKeepsTheLargestFiring(t *testing.T) {
	for _, format := range []string{table.Delta, table.Parquet} {
		t.Run(format, func(t *testing.T) {
			dir := t.TempDir()
			f := &ReplaceFn{Config: Config{Pipeline: t.Name(), Table: table.Settings{
				Path: dir, Format: format, Topic: "t", Window: time.Minute, Shards: 1, Version: "test",
			}}}
			t.Cleanup(func() { require.NoError(t, teardown.End(t.Name())) })
			bundle := func(firings ...firing) {
				require.NoError(t, f.StartBundle(t.Context(), nil))
				for _, x := range firings {
					start := mtime.FromTime(noon.Add(x.after))
					w := window.IntervalWindow{Start: start, End: start.Add(time.Minute)}
					require.NoError(t, f.ProcessElement(t.Context(), w, 0, count.Counts{Pages: []string{"/"}, Views: []int64{x.views}, Events: x.views}, nil))
				}
				require.NoError(t, f.FinishBundle(t.Context(), nil))
			}
			bundle(firing{time.Minute, 2}, firing{0, 5}, firing{0, 3}, firing{0, 5})
			bundle()
			bundle(firing{0, 4}) // smaller than what is there
			assert.EqualValues(t, 2, progress.Of(t.Name()).Snapshot().Windows)

			view, err := table.View(t.Context(), dir)
			require.NoError(t, err)
			var views []int64
			for row, err := range view.Scan(t.Context(), table.Filter{}) {
				require.NoError(t, err)
				views = append(views, row.ViewCount)
			}
			assert.Equal(t, []int64{5, 2}, views)
		})
	}
}

type firing struct {
	after time.Duration
	views int64
}

// TestBundleThatIsCutOff finishes one whose job has been cancelled, as Beam does with what has come of it by then.
func TestBundleThatIsCutOff(t *testing.T) {
	for _, format := range []string{table.Delta, table.Parquet} {
		t.Run(format, func(t *testing.T) {
			f := &ReplaceFn{Config: Config{Pipeline: t.Name(), Table: table.Settings{
				Path: t.TempDir(), Format: format, Topic: "t", Window: time.Minute, Shards: 1, Version: "test",
			}}}
			t.Cleanup(func() { require.NoError(t, teardown.End(t.Name())) })
			ctx, cut := context.WithCancel(t.Context())
			require.NoError(t, f.StartBundle(ctx, nil))
			start := mtime.FromTime(noon)
			w := window.IntervalWindow{Start: start, End: start.Add(time.Minute)}
			require.NoError(t, f.ProcessElement(ctx, w, 0, count.Counts{Pages: []string{"/"}, Views: []int64{1}, Events: 1}, nil))
			cut()
			require.ErrorIs(t, f.FinishBundle(ctx, nil), context.Canceled)
			assert.Zero(t, progress.Of(t.Name()).Snapshot().Windows)
			view, err := table.View(t.Context(), f.Config.Table.Path)
			require.NoError(t, err)
			for row, err := range view.Scan(t.Context(), table.Filter{}) {
				require.NoError(t, err)
				assert.Fail(t, "there is a row", "%v", row)
			}
		})
	}
}

func TestCountsMustBeInFixedWindows(t *testing.T) {
	f := &ReplaceFn{}
	assert.ErrorContains(t, f.ProcessElement(t.Context(), window.GlobalWindow{}, 0, count.Counts{}, nil), "fixed windows are wanted")
}

// TestTallyIsTheTablesOnce fires a window twice, with all that it has each time: the log tells of what is new.
func TestTallyIsTheTablesOnce(t *testing.T) {
	f := &ReplaceFn{Config: Config{Pipeline: t.Name(), Table: table.Settings{
		Path: t.TempDir(), Format: table.Delta, Topic: "t", Window: time.Minute, Shards: 1, Version: "test",
	}}}
	t.Cleanup(func() { require.NoError(t, teardown.End(t.Name())) })
	told := func(views, skipped int64) string {
		require.NoError(t, f.StartBundle(t.Context(), nil))
		start := mtime.FromTime(noon)
		w := window.IntervalWindow{Start: start, End: start.Add(time.Minute)}
		require.NoError(t, f.ProcessElement(t.Context(), w, 0, count.Counts{Pages: []string{"/"}, Views: []int64{views}, Events: views, Tally: click.Tally{Skipped: skipped}}, nil))
		require.NoError(t, f.FinishBundle(t.Context(), nil))
		store, err := objects.Open(t.Context(), f.Config.Table.Path)
		require.NoError(t, err)
		log, err := delta.Open(t.Context(), store, delta.Options{})
		require.NoError(t, err)
		data, err := os.ReadFile(filepath.Join(f.Config.Table.Path, "_delta_log", fmt.Sprintf("%020d.json", log.Snapshot().Version)))
		require.NoError(t, err)
		e, err := delta.ParseEntry(log.Snapshot().Version, data)
		require.NoError(t, err)
		return e.Info.OperationMetrics["skippedClicks"]
	}
	assert.Equal(t, "3", told(5, 3))
	assert.Equal(t, "4", told(6, 7))
	assert.Equal(t, "4", told(6, 9), "nothing was new, and nothing is committed")
	assert.Equal(t, "3", told(7, 10), "with what could not be told before")
	p := progress.Of(t.Name()).Snapshot()
	assert.EqualValues(t, 3, p.Commits)
	assert.EqualValues(t, 1, p.Publish.Count(), "the window was new once")
}
