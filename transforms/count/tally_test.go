package count

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/stretchr/testify/assert"

	"clickstream/transforms/click"
	"clickstream/transforms/progress"
)

func latency(d time.Duration, n int64) (h click.Durations) {
	h.Observe(d, n)
	return h
}

// TestTallyGoesWithTheFirstWindow has bundles count, count nothing, and fail. What they tell leaves with the window that
// is the soonest to reach the table, once.
func TestTallyGoesWithTheFirstWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &PartialFn{Pipeline: t.Name(), SizeMillis: minute, Shards: 3}
		f.Setup()
		told := map[int64][]click.Tally{} // by window, as minutes
		bundle := func(fails bool, batches ...click.Batch) {
			clear(told)
			f.StartBundle(nil)
			for _, b := range batches {
				f.ProcessElement(b, nil)
			}
			if fails {
				return
			}
			f.FinishBundle(func(at beam.EventTime, _ int64, c Counts) {
				if c.Tally != (click.Tally{}) {
					m := at.Milliseconds() / minute
					told[m] = append(told[m], c.Tally)
				}
			})
		}
		wrote := func(ago time.Duration, n int32) click.Written {
			return click.Written{Millis: time.Now().Add(-ago).UnixMilli(), Clicks: n}
		}
		pages := click.Batch{
			Pages: []string{"/", "/a", "/b", "/c", "/d"}, Times: []int64{5 * minute, 3 * minute, 4 * minute, 3 * minute, 3 * minute},
			Written: []click.Written{wrote(time.Second, 4), wrote(time.Minute, 1)}, Skipped: 2,
		}
		nothing := click.Batch{Skipped: 7, Deferred: 1}

		bundle(true, pages, nothing)
		bundle(false, nothing)
		assert.Empty(t, told, "there is no window")
		bundle(false, nothing)
		bundle(false, pages)
		want := click.Tally{Latency: latency(time.Second, 4), Skipped: 16, Deferred: 2}
		want.Latency.Observe(time.Minute, 1)
		assert.Equal(t, map[int64][]click.Tally{3: {want}}, told, "of one shard, with what the bundles before had to tell")
		assert.Equal(t, want.Latency, progress.Of(t.Name()).Snapshot().Latency)

		pages.Written, pages.Skipped = nil, 0
		bundle(false, pages)
		assert.Empty(t, told, "it was told")
	})
}
