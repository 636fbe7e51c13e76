// Package deadletter writes rejected records to the dead letter topic, as they were, with the reason.
package deadletter

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/transforms/click"
	"clickstream/transforms/teardown"
)

// Config is where dead letters go. It is serialized into the graph.
type Config struct {
	Pipeline   string // whose end closes the connection
	Connection kafka.Connection
	Topic      string
	MaxBytes   int32  // the topic's max.message.bytes
	Version    string // of the program that rejects
}

func init() {
	register.DoFn3x1[context.Context, click.Reject, func(int64), error](&WriteFn{})
	register.Emitter1[int64]()
}

// Write writes a PCollection<click.Reject> to the dead letter topic, each at least once: a bundle whose dead
// letters did not arrive fails. Nothing ever comes out of what it returns, for launch.Outlet.
func Write(s beam.Scope, cfg Config, rejects beam.PCollection) (nothing beam.PCollection) {
	return beam.ParDo(s.Scope("deadletter.Write"), &WriteFn{Config: cfg}, rejects)
}

// WriteFn writes dead letters, and waits for them as the bundle ends.
type WriteFn struct {
	Config Config

	writer *kafka.Writer
}

// linger is how long a dead letter waits for others, if its bundle goes on. Few are in a batch else, and it is batches that
// cost: where one record in a hundred was bad, reading took a tenth longer.
const linger = 100 * time.Millisecond

// ProcessElement sends a dead letter on its way.
func (f *WriteFn) ProcessElement(ctx context.Context, x click.Reject, _ func(int64)) error {
	if f.writer == nil { // most bundles have none, and need no connection
		w, err := kafka.OpenWriter(f.Config.Connection, f.Config.Topic, f.Config.MaxBytes, kgo.ProducerLinger(linger))
		if err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
		f.writer = w
		if err := teardown.Later(f.Config.Pipeline, func() error { w.Close(); return nil }); err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
	}
	f.writer.Write(ctx, Record(x, f.Config.Version))
	return nil
}

// FinishBundle waits until the bundle's dead letters have arrived.
func (f *WriteFn) FinishBundle(ctx context.Context, _ func(int64)) error {
	if f.writer == nil {
		return nil
	}
	if err := f.writer.Flush(ctx); err != nil {
		return fmt.Errorf("dead letters cannot be written, and the job stops rather than lose them: %w", err)
	}
	return nil
}

// own are the headers of a dead letter, in their order.
var own = [...]string{"dlq.reason", "dlq.error", "dlq.topic", "dlq.partition", "dlq.offset", "dlq.timestamp", "dlq.stage", "dlq.version"}

// Record returns the dead letter of x: key, value and headers as they were, and the dlq headers behind them.
// Those of an earlier rejection, which a replayed record may carry, are replaced.
func Record(x click.Reject, version string) *kgo.Record {
	r := &kgo.Record{Key: x.Key, Value: x.Value, Headers: make([]kgo.RecordHeader, 0, len(x.Headers)+len(own))}
	for _, h := range x.Headers {
		if !slices.Contains(own[:], h.Key) {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
	}
	// One piece of memory for all: a topic may be nothing but dead letters.
	const numbers = 3 * len("-9223372036854775808")
	text := make([]byte, 0, len(x.Fault.Reason)+len(x.Fault.Detail)+len(x.Topic)+len(x.Stage)+len(version)+numbers)
	header := func(key string, grown []byte) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: grown[len(text):len(grown):len(grown)]})
		text = grown
	}
	header(own[0], append(text, x.Fault.Reason...))
	header(own[1], append(text, x.Fault.Detail...))
	header(own[2], append(text, x.Topic...))
	header(own[3], strconv.AppendInt(text, int64(x.Partition), 10))
	header(own[4], strconv.AppendInt(text, x.Offset, 10))
	header(own[5], strconv.AppendInt(text, x.Timestamp, 10))
	header(own[6], append(text, x.Stage...))
	header(own[7], append(text, version...))
	return r
}
