package enrich

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/transforms/click"
	"clickstream/transforms/deadletter"
	"clickstream/transforms/progress"
	"clickstream/transforms/tracing"
)

// Config is where clicks come from and go to. It is serialized into the graph.
type Config struct {
	Pipeline    string
	Connection  kafka.Connection
	Group       string // says how far all has been written
	Source      string // topic of the clicks
	SourceID    string // see kafka.Identity
	Topic       string // of the enriched clicks
	MaxBytes    int32  // that topic's max.message.bytes
	Schema      int32  // id of Schema in the registry
	DeadLetters deadletter.Config
	Tracing     tracing.Config // of commits

	Gap     time.Duration   // after which a user's next click begins another session
	Buckets int             // that users are spread over
	Local   bool            // the pipeline runs in this process
	Begin   map[int32]int64 // offsets from which clicks are read, by partition
	Seeds   kafka.Extent    // of the enriched topic, where it may hold sessions that go on
}

func init() {
	register.DoFn3x1[context.Context, click.Batch, func(int64), error](&ForwardFn{})
	register.Emitter1[int64]()
}

// Forward writes the clicks of a PCollection<click.Batch> to the enriched topic and the batches' rejects to the dead letter
// topic, each once: they and how far the group has come are committed together, once a second and as a bundle ends. What
// lies before that is not written again, whatever the runner does. Nothing ever comes out of what it returns, for
// launch.Outlet.
func Forward(s beam.Scope, cfg Config, batches beam.PCollection) (nothing beam.PCollection) {
	return beam.ParDo(s.Scope("enrich.Forward"), &ForwardFn{Config: cfg}, batches)
}

// TransactionalID returns the id of the producer for the reader whose first partition is given.
func (c Config) TransactionalID(reader int32) string {
	return fmt.Sprintf("clickstream-enrich/%s/%s/%d", c.Group, c.Source, reader)
}

// ErrTakenOver is returned where another run of the same group has begun.
var ErrTakenOver = errors.New("another run has taken over")

func (c Config) takenOver() error {
	return fmt.Errorf("%w: group %s is another run's now, which goes on in place of this one; give each run of its own a --group", ErrTakenOver, c.Group)
}

// commitInterval is how often what was written is committed within a bundle, which may be long.
const commitInterval = time.Second

// ForwardFn writes what it gets of each reader in transactions of their own.
type ForwardFn struct {
	Config Config

	encoder *encoder
	writers map[int32]*forwarder // by reader
}

// Setup makes the encoder.
func (f *ForwardFn) Setup() (err error) {
	f.encoder, err = newEncoder(f.Config.Source, f.Config.Schema)
	return err
}

// StartBundle forgets what a bundle that failed has left.
func (f *ForwardFn) StartBundle(context.Context, func(int64)) { f.writers = map[int32]*forwarder{} }

// ProcessElement sends a batch on its way.
func (f *ForwardFn) ProcessElement(ctx context.Context, b click.Batch, _ func(int64)) error {
	w := f.writers[b.Reader]
	if w == nil {
		var err error
		if w, err = f.Config.forwarder(ctx, b.Reader); err != nil {
			return err
		}
		f.writers[b.Reader] = w
	}
	if err := w.write(ctx, f.encoder, &b); err != nil {
		return err
	}
	if time.Since(w.begun) < commitInterval {
		return nil
	}
	return w.commit(ctx)
}

// FinishBundle commits what is not committed.
func (f *ForwardFn) FinishBundle(ctx context.Context, _ func(int64)) error {
	for _, w := range f.writers {
		if err := w.commit(ctx); err != nil {
			return err
		}
		w.release()
	}
	clear(f.writers)
	return nil
}

// forwarder writes what one reader reads.
type forwarder struct {
	config Config
	tx     *kafka.Transactor
	at     kafka.Position  // that is committed
	next   map[int32]int64 // that is to be committed
	begun  time.Time       // when something was first written that is not committed
	sent   int             // records that are not committed
	clicks int             // of those
	idle   bool            // no bundle uses it
}

// openForwarder returns the forwarder of a reader. What an earlier one has left open is given up.
func openForwarder(ctx context.Context, c Config, reader int32) (*forwarder, error) {
	limits := kafka.Limits{c.Topic: c.MaxBytes, c.DeadLetters.Topic: c.DeadLetters.MaxBytes}
	tx, err := kafka.OpenTransactor(ctx, c.Connection, c.TransactionalID(reader), limits, kgo.StickyKeyPartitioner(nil))
	if err != nil {
		return nil, err
	}
	f := &forwarder{config: c, tx: tx, next: map[int32]int64{}}
	if f.at, err = tx.Position(ctx, c.Group, c.Source); err != nil {
		tx.Close()
		return nil, err
	}
	if run(f.at.Note) != c.Pipeline {
		tx.Close()
		return nil, c.takenOver()
	}
	f.at.TopicID = c.SourceID
	return f, nil
}

// write sends the clicks and the rejects of b on their way that are not written yet.
func (f *forwarder) write(ctx context.Context, e *encoder, b *click.Batch) error {
	if f.sent == 0 {
		f.begun = time.Now()
	}
	done := f.at.Next[b.Partition]
	f.next[b.Partition] = max(f.next[b.Partition], b.Next, done)
	if b.Next <= done {
		return nil
	}
	var room int
	for i := range b.Events {
		v := b.Visit(i)
		room += size(&v)
	}
	records, bytes := make([]kgo.Record, len(b.Events)), make([]byte, 0, room)
	for i := range b.Events {
		if b.Events[i].Offset < done {
			continue
		}
		v, r := b.Visit(i), &records[i]
		r.Topic = f.config.Topic
		var err error
		if bytes, err = e.record(r, bytes, &v, false); err != nil {
			return err
		}
		if err := f.tx.Write(ctx, r, nil); err != nil {
			return f.failed(err)
		}
		f.sent++
		f.clicks++
	}
	for _, x := range b.Rejects {
		if x.Offset < done {
			continue
		}
		r := deadletter.Record(x, f.config.DeadLetters.Version)
		r.Topic = f.config.DeadLetters.Topic
		if err := f.tx.Write(ctx, r, nil); err != nil {
			return f.failed(err)
		}
		f.sent++
	}
	return nil
}

// commit commits what was written, and how far that is. Where nothing was, there is no transaction: the next one tells.
func (f *forwarder) commit(ctx context.Context) error {
	if f.sent == 0 {
		return nil
	}
	at := f.at
	at.Next = f.next // those of other readers are theirs to move
	span := f.config.Tracing.Begin(ctx, "commit clicks")
	err := f.tx.CommitAt(ctx, at)
	f.config.trace(span, f.at.Next, f.next, err)
	if err != nil {
		return f.failed(err)
	}
	maps.Copy(f.at.Next, f.next)
	clear(f.next)
	progress.Of(f.config.Pipeline).Forwarded(f.clicks)
	f.sent, f.clicks = 0, 0
	return nil
}

// failed says what it means that the producer of a reader failed.
func (f *forwarder) failed(err error) error {
	if errors.Is(err, kafka.ErrFenced) {
		return f.config.takenOver()
	}
	return fmt.Errorf("clicks cannot be written, and the job stops rather than lose them: %w", err)
}

// trace ends the span of a commit that moved the group on from some offsets to others.
func (c Config) trace(span tracing.Span, from, to map[int32]int64, err error) {
	if span.Sent() {
		ranges := map[int32]click.OffsetRange{}
		for p, next := range to {
			if first, ok := from[p]; next > first || !ok {
				ranges[p] = click.OffsetRange{First: first, Next: next}
			}
		}
		span.Set(tracing.Offsets(c.Source, ranges)...)
	}
	span.End(err)
}
