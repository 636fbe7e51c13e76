package enrich

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/transforms/click"
	"clickstream/transforms/progress"
	"clickstream/transforms/teardown"
)

// WriteFn writes visits whose sessions are known, and marks how far their buckets are once they have arrived.
type WriteFn struct {
	Config Config

	encoder *encoder
	writer  *kafka.Writer
	marks   map[int64]Frontier // by bucket
	written int
}

// Setup makes the encoder.
func (f *WriteFn) Setup() (err error) {
	f.encoder, err = newEncoder(f.Config.Source, f.Config.Schema)
	return err
}

// StartBundle forgets what a bundle that failed has left.
func (f *WriteFn) StartBundle(context.Context, func(beam.EventTime, int64, Mark)) {
	f.marks, f.written = map[int64]Frontier{}, 0
}

// ProcessElement sends visits on their way. A bundle brings what was found of a bucket in the order in which it was.
func (f *WriteFn) ProcessElement(ctx context.Context, bucket int64, found Found, _ func(beam.EventTime, int64, Mark)) error {
	if f.writer == nil {
		w, err := kafka.OpenWriter(f.Config.Connection, f.Config.Topic, f.Config.MaxBytes)
		if err != nil {
			return err
		}
		f.writer = w
		if err := teardown.Later(f.Config.Pipeline, func() error { w.Close(); return nil }); err != nil {
			return err
		}
	}
	if err := f.write(ctx, found.Ready, false); err != nil {
		return err
	}
	f.marks[bucket] = found.Frontier
	return f.write(ctx, found.Visits, true)
}

func (f *WriteFn) write(ctx context.Context, block []byte, found bool) error {
	// Records are not to be used again before they have arrived: what they are made of is made anew for each block.
	bytes := make([]byte, 0, 3*len(block))
	return visits(block, func(v *click.Visit) error {
		r := &kgo.Record{}
		var err error
		if bytes, err = f.encoder.record(r, bytes, v, found); err != nil {
			return err
		}
		f.writer.Write(ctx, r)
		f.written++
		return nil
	})
}

// FinishBundle waits until the bundle's clicks have arrived. Where the context has ended, some may not have come, and it
// tells of none: Beam finishes a bundle all the same.
func (f *WriteFn) FinishBundle(ctx context.Context, emit func(beam.EventTime, int64, Mark)) error {
	if ctx.Err() != nil {
		return fmt.Errorf("the bundle was cut off: %w", context.Cause(ctx))
	}
	if f.written > 0 {
		if err := f.writer.Flush(ctx); err != nil {
			return fmt.Errorf("clicks cannot be written, and the job stops rather than lose them: %w", err)
		}
	}
	progress.Of(f.Config.Pipeline).Forwarded(f.written)
	if f.Config.Local {
		flowOf(f.Config.Pipeline).add(-f.written)
	}
	now := mtime.FromTime(time.Now())
	for bucket, at := range f.marks {
		emit(now, allBuckets, Mark{bucket, at})
	}
	return nil
}

// allBuckets is the key of all marks: what is written of all buckets is for one to tell.
const allBuckets int64 = 0
