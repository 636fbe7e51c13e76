// Package count turns batches of clicks into page views per window: first within each bundle, before anything
// crosses the shuffle, then with one combine per shard.
package count

import (
	"reflect"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window/trigger"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"clickstream/transforms/click"
	"clickstream/transforms/progress"
)

// Config is how clicks are counted.
type Config struct {
	Pipeline        string        // whose progress the counting is
	Window          time.Duration // fixed windows of this size, aligned to the epoch
	AllowedLateness time.Duration // how long past its end, in event time, a window is counted anew
	Shards          int           // parts that each window's pages are spread over
	Users           bool          // each page tells how many users viewed it; it takes batches that tell of events
	Once            bool          // an event counts once in a window; it takes batches that tell of events, and one shard
}

func init() {
	beam.RegisterCoder(reflect.TypeFor[Counts](), Encode, Decode)
	register.DoFn2x0[click.Batch, func(beam.EventTime, int64, Counts)](&PartialFn{})
	register.Emitter3[beam.EventTime, int64, Counts]()
	register.Combiner1[Counts](&MergeFn{})
}

// PerPage counts the views of each page in each window.
//
// It takes a PCollection<click.Batch> in the global window, and returns a PCollection<KV<int64, Counts>>, by
// shard, in fixed windows. A window fires when the watermark passes its end and again for late clicks, each
// time with all that it has. Where each event counts once, the runner keeps 20 bytes of it for as long as its window is
// open, and the pages of each bundle.
func PerPage(s beam.Scope, cfg Config, batches beam.PCollection) beam.PCollection {
	s = s.Scope("count.PerPage")
	partial := beam.ParDo(s, &PartialFn{Pipeline: cfg.Pipeline, SizeMillis: cfg.Window.Milliseconds(), Shards: cfg.Shards, Once: cfg.Once, Users: cfg.Users}, batches)
	return Combined(s, cfg, partial)
}

// Combined merges partial counts, a PCollection<KV<int64, Counts>> in the global window whose timestamps lie in
// the window that each belongs to; it returns what PerPage does.
func Combined(s beam.Scope, cfg Config, partial beam.PCollection) beam.PCollection {
	windowed := beam.WindowInto(s, window.NewFixedWindows(cfg.Window), partial,
		beam.Trigger(trigger.Default()), beam.AllowedLateness(cfg.AllowedLateness), beam.PanesAccumulate())
	return beam.CombinePerKey(s, &MergeFn{}, windowed)
}

// PartialFn counts a bundle's clicks. It emits the counts of each window and shard once, as the bundle ends, at
// the window's last instant: all clicks of a window are late, or not, together, so this changes nothing. What there is
// to tell of the bundle goes with its first window, which is the soonest to reach the table.
type PartialFn struct {
	Pipeline   string
	SizeMillis int64
	Shards     int
	Once       bool
	Users      bool

	partial *Partial
	seen    seen
	untold  click.Tally // of bundles in which nothing was counted
}

// Setup makes the counters.
func (f *PartialFn) Setup() {
	f.partial, f.seen.written = NewPartial(f.SizeMillis, f.Shards, f.Once, f.Users), map[int64]int64{}
}

// StartBundle forgets what a bundle that failed has counted.
func (f *PartialFn) StartBundle(func(beam.EventTime, int64, Counts)) {
	f.partial.Take(func(int64, int32, Counts) {})
	f.seen.reset()
}

// ProcessElement counts a batch.
func (f *PartialFn) ProcessElement(b click.Batch, _ func(beam.EventTime, int64, Counts)) {
	f.partial.Add(b)
	f.seen.note(&b)
}

// FinishBundle emits what the bundle counted.
func (f *PartialFn) FinishBundle(emit func(beam.EventTime, int64, Counts)) {
	t := f.seen.tally(time.Now())
	progress.Of(f.Pipeline).Left(t.Latency)
	f.untold.Add(t)
	first := f.partial.First()
	f.partial.Take(func(start int64, shard int32, c Counts) {
		if start == first {
			c.Tally, f.untold = f.untold, click.Tally{}
		}
		emit(mtime.FromMilliseconds(start+f.SizeMillis-1), int64(shard), c)
	})
}

// MergeFn merges counts of the same window and shard.
type MergeFn struct{}

// MergeAccumulators returns the sum of a and b.
func (*MergeFn) MergeAccumulators(a, b Counts) Counts {
	if len(a.Pages) == 0 {
		return b
	}
	a.Merge(b)
	return a
}

// ExtractOutput settles the counts: what follows never sees the events.
func (*MergeFn) ExtractOutput(c Counts) Counts { return c.Settle() }
