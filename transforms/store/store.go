// Package store makes each window's counts the table's.
package store

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/typex"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"go.opentelemetry.io/otel/attribute"

	"clickstream/io/table"
	"clickstream/transforms/click"
	"clickstream/transforms/count"
	"clickstream/transforms/progress"
	"clickstream/transforms/teardown"
	"clickstream/transforms/tracing"
)

// Config is the table that windows go to. It is serialized into the graph.
type Config struct {
	Pipeline string // whose progress the windows are, and whose end closes the table
	Table    table.Settings
	Tracing  tracing.Config // of commits
	Whole    bool           // all windows of a shard go there at once, for a runner that brings them in no order
}

func init() {
	register.DoFn5x1[context.Context, beam.Window, int64, count.Counts, func(int64), error](&ReplaceFn{})
	register.Emitter1[int64]()
	beam.RegisterType(reflect.TypeFor[ReplaceFn]())
}

// Windows makes each firing of a window the table's content of that window and shard. It takes a
// PCollection<KV<int64, count.Counts>>, by shard, in fixed windows. Nothing ever comes out of what it returns, for
// launch.Outlet.
func Windows(s beam.Scope, cfg Config, counts beam.PCollection) (nothing beam.PCollection) {
	s = s.Scope("store.Windows")
	if cfg.Whole {
		return wholeShards(s, cfg, counts)
	}
	return beam.ParDo(s, &ReplaceFn{Config: cfg}, counts)
}

// ReplaceFn gathers a bundle's windows and replaces them at once, in ascending order: what is stored of a shard
// is then always a prefix of its windows, whatever the order in which the runner brings them.
type ReplaceFn struct {
	Config Config

	table   table.Table
	windows map[key]table.Window
}

type key struct {
	start typex.EventTime
	shard int64
}

// StartBundle forgets the windows of a bundle that failed, and opens the table for the first one.
func (f *ReplaceFn) StartBundle(ctx context.Context, _ func(int64)) error {
	f.windows = map[key]table.Window{}
	if f.table != nil {
		return nil
	}
	t, err := table.Open(ctx, f.Config.Table)
	if err != nil {
		return err
	}
	f.table = t
	return teardown.Later(f.Config.Pipeline, t.Close)
}

// ProcessElement takes the counts of a window and shard. A bundle may bring several firings of one, in no order,
// when the watermark jumps past its end and its expiry at once: each has all that those before it had, and the
// largest is kept.
func (f *ReplaceFn) ProcessElement(_ context.Context, w beam.Window, shard int64, c count.Counts, _ func(int64)) error {
	in, err := fixed(w)
	if err != nil {
		return err
	}
	k := key{in.Start, shard}
	if had, ok := f.windows[k]; ok && had.Events >= c.Events {
		return nil
	}
	views := make(map[string]int64, len(c.Pages))
	for i, p := range c.Pages {
		views[p] = c.Views[i]
	}
	var users map[string]int64
	if f.Config.Table.Users {
		users = make(map[string]int64, len(c.Pages))
		for i, p := range c.Pages {
			users[p] = c.Users(i)
		}
	}
	content := table.Window{
		Start: toTime(in.Start), End: toTime(in.End), Shard: int(shard),
		Views: views, Users: users, Events: c.Events, Duplicates: c.Duplicates(), Offsets: c.Offsets, Schemas: c.Schemas, Tally: c.Tally,
	}
	content.KeepTop(f.Config.Table.Top)
	f.windows[k] = content
	return nil
}

// fixed returns w, which is to be a fixed window.
func fixed(w beam.Window) (window.IntervalWindow, error) {
	in, ok := w.(window.IntervalWindow)
	if !ok {
		return in, fmt.Errorf("counts are in the window %v: fixed windows are wanted", w)
	}
	return in, nil
}

func toTime(t typex.EventTime) time.Time { return time.UnixMilli(t.Milliseconds()).UTC() }

// committing is held by every commit of this process that is under way.
var committing sync.RWMutex

// Settle waits until no commit of this process is under way.
func Settle() {
	committing.Lock()
	defer committing.Unlock()
}

// FinishBundle replaces the bundle's windows. One that the table holds with more events stays, and a line says so.
//
// Where the context has ended, some of the bundle may not have come: Beam finishes it all the same. A window that is not
// there while newer ones are would be taken for final, and what it lacks would never be counted.
func (f *ReplaceFn) FinishBundle(ctx context.Context, _ func(int64)) error {
	if ctx.Err() != nil {
		return fmt.Errorf("the bundle was cut off, and its windows are not written: %w", context.Cause(ctx))
	}
	if len(f.windows) == 0 {
		return nil
	}
	committing.RLock()
	defer committing.RUnlock()
	told := progress.Of(f.Config.Pipeline)
	windows := slices.Collect(maps.Values(f.windows))
	for i := range windows {
		windows[i].Tally = told.Untold(windows[i].Start, windows[i].Shard, windows[i].Tally)
	}
	span := f.Config.Tracing.Begin(ctx, "commit windows")
	done, err := f.table.Replace(ctx, windows)
	f.trace(span, windows, done, err)
	if err != nil {
		told.Failed()
		return err
	}
	for _, r := range done.Refused {
		slog.Warn("a window would have shrunk and was left as it is", "table", f.Config.Table.Path, "why", r.String())
	}
	told.Wrote(done)
	for _, w := range f.windows {
		told.Duplicates(w.Start, w.Duplicates)
		if done.Written > 0 { // else nothing was committed that tells
			told.Told(w.Start, w.Shard, w.Tally)
		}
	}
	return nil
}

// trace ends the span of a commit of windows.
func (f *ReplaceFn) trace(span tracing.Span, windows []table.Window, done table.Commit, err error) {
	if span.Sent() {
		ranges := map[int32]click.OffsetRange{}
		for _, w := range windows {
			for p, r := range w.Offsets {
				if had, ok := ranges[p]; ok {
					r = r.Union(had)
				}
				ranges[p] = r
			}
		}
		span.Set(append(tracing.Offsets(f.Config.Table.Topic, ranges), attribute.String("clickstream.table", f.Config.Table.Path),
			attribute.Int("clickstream.windows", done.Written), attribute.Int64("clickstream.rows", done.Rows), attribute.Int("clickstream.conflicts", done.Conflicts))...)
	}
	span.End(err)
}
