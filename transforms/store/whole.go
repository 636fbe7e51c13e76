package store

import (
	"context"
	"encoding/binary"
	"errors"
	"reflect"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"clickstream/transforms/count"
)

func init() {
	beam.RegisterCoder(reflect.TypeFor[Firing](), encodeFiring, decodeFiring)
	register.DoFn3x3[beam.Window, int64, count.Counts, int64, Firing, error](&firingFn{})
	register.DoFn4x1[context.Context, int64, func(*Firing) bool, func(int64), error](&ReplaceWholeFn{})
	register.Iter1[Firing]()
}

// wholeShards is Windows for a runner that brings the windows of a shard in no order, in several bundles, as Spark's
// batch translation does: all of a shard are gathered first, and replaced at once. Were one in the table before older
// ones of its shard, a run that starts then would take those for final. It takes as much memory as the rows of a
// shard, and only a bounded run ends its gathering.
func wholeShards(s beam.Scope, cfg Config, counts beam.PCollection) (nothing beam.PCollection) {
	firings := beam.ParDo(s, &firingFn{}, counts)
	shards := beam.GroupByKey(s, beam.WindowInto(s, window.NewGlobalWindows(), firings))
	return beam.ParDo(s, &ReplaceWholeFn{ReplaceFn{Config: cfg}}, shards)
}

// Firing is the counts of a window, whose shard is known. Its times are in milliseconds since the epoch.
type Firing struct {
	Start, End int64
	Counts     count.Counts
}

// encodeFiring writes the window's start and end, as varints, and the counts.
func encodeFiring(f Firing) []byte {
	b := binary.AppendVarint(nil, f.Start)
	b = binary.AppendVarint(b, f.End)
	return append(b, count.Encode(f.Counts)...)
}

var errFiring = errors.New("these bytes are no encoded window; are all workers of the same version?")

// decodeFiring reads what encodeFiring wrote.
func decodeFiring(b []byte) (Firing, error) {
	start, n := binary.Varint(b)
	if n <= 0 {
		return Firing{}, errFiring
	}
	end, m := binary.Varint(b[n:])
	if m <= 0 {
		return Firing{}, errFiring
	}
	c, err := count.Decode(b[n+m:])
	return Firing{start, end, c}, err
}

// firingFn makes the window of counts a part of them.
type firingFn struct{}

// ProcessElement returns the counts with their window.
func (firingFn) ProcessElement(w beam.Window, shard int64, c count.Counts) (int64, Firing, error) {
	in, err := fixed(w)
	return shard, Firing{in.Start.Milliseconds(), in.End.Milliseconds(), c}, err
}

// ReplaceWholeFn gathers the windows of a bundle's shards, as ReplaceFn those of a bundle.
type ReplaceWholeFn struct{ ReplaceFn }

// ProcessElement takes all windows of a shard.
func (f *ReplaceWholeFn) ProcessElement(ctx context.Context, shard int64, firings func(*Firing) bool, out func(int64)) error {
	var x Firing
	for firings(&x) {
		w := window.IntervalWindow{Start: mtime.FromMilliseconds(x.Start), End: mtime.FromMilliseconds(x.End)}
		if err := f.ReplaceFn.ProcessElement(ctx, w, shard, x.Counts, out); err != nil {
			return err
		}
	}
	return nil
}
