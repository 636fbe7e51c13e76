package kafkaio

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/state"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/timers"

	"clickstream/io/kafka"
	"clickstream/transforms/click"
	"clickstream/transforms/progress"
	"clickstream/transforms/read"
	"clickstream/transforms/teardown"
)

// SortFn sorts a reader's records into clicks and rejects, as read.ReadFn does, and holds the watermark: KafkaIO's own
// says nothing of event times, and would close every window at once.
//
// It is held by a timer, which has the watermark as its output timestamp: runners let none pass that a timer still has
// to come to. The timer goes off once a second, looks after the watermark, and is set again. A click is too late by the
// watermark that the timer was set with, which is the most that any later step has heard of.
type SortFn struct {
	Config      Config
	Assignments []kafka.Assignment // by reader
	Follower    state.Value[[]byte]
	Hold        timers.ProcessingTime

	decoder *read.Decoder
	clients map[int64]*kafka.FollowerClient // by reader
}

// tick is how often a reader's watermark moves.
const tick = time.Second

func newSortFn(cfg Config, assignments []kafka.Assignment) *SortFn {
	return &SortFn{Config: cfg, Assignments: assignments, Follower: state.MakeValueState[[]byte]("follower"), Hold: timers.InProcessingTime("hold")}
}

// Setup makes the decoder.
func (f *SortFn) Setup() error {
	f.clients = map[int64]*kafka.FollowerClient{}
	var err error
	f.decoder, err = read.NewDecoder(f.Config.Decode)
	return err
}

// ProcessElement sorts a chunk. Whatever of a reader comes first sets its timer.
func (f *SortFn) ProcessElement(ctx context.Context, sp state.Provider, tp timers.Provider, reader int64, chunk []byte, emit func(click.Batch), reject func(click.Reject)) error {
	follower, known, err := f.follower(sp, reader)
	if err != nil || known && len(chunk) == 0 {
		return err
	}
	if !known {
		f.hold(tp, follower.Watermark)
	}
	if len(chunk) > 0 {
		if err := f.sort(ctx, follower, f.Assignments[reader], chunk, emit, reject); err != nil {
			return err
		}
	}
	return f.Follower.Write(sp, follower.State())
}

// follower returns where a reader stands. known is false for one of which nothing has come yet.
func (f *SortFn) follower(sp state.Provider, reader int64) (follower *kafka.Follower, known bool, err error) {
	if reader < 0 || reader >= int64(len(f.Assignments)) {
		return nil, false, fmt.Errorf("there is no reader %d, but %d: the runner kept the state of another job", reader, len(f.Assignments))
	}
	kept, known, err := f.Follower.Read(sp)
	if err != nil {
		return nil, false, fmt.Errorf("ask the runner for the state of reader %d: %w", reader, err)
	}
	if !known {
		return kafka.NewFollower(f.Config.Reader, f.Assignments[reader], time.Now()), false, nil
	}
	follower, err = kafka.ResumeFollower(f.Config.Reader, f.Assignments[reader], kept, time.Now())
	return follower, true, err
}

func (f *SortFn) sort(ctx context.Context, follower *kafka.Follower, a kafka.Assignment, chunk []byte, emit func(click.Batch), reject func(click.Reject)) error {
	done := progress.Of(a.Pipeline)
	partition, records, err := decodeChunk(chunk)
	if err != nil {
		return err
	}
	c, err := follower.Chunk(partition, records)
	if err != nil {
		return err
	}
	b, err := f.decoder.Chunk(ctx, a.Topic, c, time.Now(), follower.Watermark, func(x click.Reject) {
		done.Rejected(x.Fault.Reason)
		reject(x)
	})
	if err != nil {
		return err
	}
	done.Read(len(c.Records), &b)
	if b.Tells() {
		emit(b)
	}
	return nil
}

// OnTimer moves a reader's watermark as far as it can go.
func (f *SortFn) OnTimer(ctx context.Context, sp state.Provider, tp timers.Provider, reader int64, _ timers.Context, _ func(click.Batch), _ func(click.Reject)) error {
	follower, _, err := f.follower(sp, reader)
	if err != nil {
		return err
	}
	client, err := f.client(reader)
	if err != nil {
		return err
	}
	if err := client.Tend(ctx, follower); err != nil {
		return err
	}
	a := f.Assignments[reader]
	progress.Of(a.Pipeline).At(a.Partitions[0], follower.Lag(), follower.Watermark.Advance(time.Now()))
	f.hold(tp, follower.Watermark)
	return f.Follower.Write(sp, follower.State())
}

// hold sets the timer. A watermark that is not known yet is held at 1970: clicks are of 2000 or later, and what lies
// long before, Flink's runner counts wrong.
func (f *SortFn) hold(tp timers.Provider, w *kafka.Watermark) {
	f.Hold.Set(tp, time.Now().Add(tick), timers.WithOutputTimestamp(time.UnixMilli(max(0, w.Reported()))))
}

// client returns the client of a reader, which is kept until the pipeline ends.
func (f *SortFn) client(reader int64) (*kafka.FollowerClient, error) {
	if c := f.clients[reader]; c != nil {
		return c, nil
	}
	a := f.Assignments[reader]
	c, err := kafka.OpenFollowerClient(f.Config.Reader, a)
	if err != nil {
		return nil, err
	}
	if err := teardown.Later(a.Pipeline, func() error { c.Close(); return nil }); err != nil {
		return nil, err
	}
	f.clients[reader] = c
	return c, nil
}
