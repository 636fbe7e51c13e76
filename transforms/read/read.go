// Package read takes clicks from Kafka: the adapter between the reader of io/kafka and Beam.
package read

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/sdf"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"go.opentelemetry.io/otel/attribute"

	"clickstream/io/kafka"
	"clickstream/transforms/click"
	"clickstream/transforms/progress"
	"clickstream/transforms/tracing"
)

// Config is how clicks are read. It is serialized into the graph.
type Config struct {
	Reader kafka.ReaderSettings
	Decode DecodeSettings
	Bundle time.Duration // how long a bundle reads before its output goes on
	Pause  time.Duration // how long a reader that has caught up waits for its next bundle; 0: bundles follow each other
	Whole  bool          // each assignment is read to its end in one bundle, for a runner that resumes none

	Tracing tracing.Config // of bundles
}

func init() {
	register.DoFn6x2[context.Context, *Estimator, *sdf.LockRTracker, kafka.Assignment, func(click.Batch), func(click.Reject), sdf.ProcessContinuation, error](&ReadFn{})
	register.DoFn4x1[context.Context, kafka.Assignment, func(click.Batch), func(click.Reject), error](&ReadWholeFn{})
	register.Emitter1[click.Batch]()
	register.Emitter1[click.Reject]()
	for _, t := range []reflect.Type{
		reflect.TypeFor[kafka.Assignment](), reflect.TypeFor[kafka.Restriction](),
		reflect.TypeFor[click.Batch](), reflect.TypeFor[click.Reject](),
	} {
		beam.RegisterType(t)
	}
}

// Clicks reads a PCollection<kafka.Assignment>, each by a reader of its own, for as long as they say.
//
// It returns a PCollection<click.Batch> and a PCollection<click.Reject>, both in the global window. A batch is
// valid until the step that takes it returns.
func Clicks(s beam.Scope, cfg Config, assignments beam.PCollection) (batches, rejects beam.PCollection) {
	s = s.Scope("read.Clicks")
	if cfg.Whole {
		return beam.ParDo2(s, &ReadWholeFn{Config: cfg}, assignments)
	}
	return beam.ParDo2(s, &ReadFn{Config: cfg}, assignments)
}

// Estimator is the watermark as the runner sees it: that of the reader when the bundle began or, after it, ended.
// The runner asks for it at any time, while the bundle goes on too.
type Estimator struct{ millis atomic.Int64 }

// NewEstimator returns an estimator that stands at millis, in milliseconds since the epoch.
func NewEstimator(millis int64) *Estimator {
	e := &Estimator{}
	e.Set(millis)
	return e
}

// Set moves the watermark to millis.
func (e *Estimator) Set(millis int64) { e.millis.Store(millis) }

// Millis returns the watermark in milliseconds since the epoch.
func (e *Estimator) Millis() int64 { return e.millis.Load() }

// leastSeconds is the least watermark that runners are told of, in seconds since the epoch: Beam's least time, rounded
// up to a second.
const leastSeconds = math.MinInt64/1_000_000 + 1

// CurrentWatermark returns the watermark; one that is not known yet is Beam's least time. It must not lie before that:
// Beam's Flink runner counts its seconds in milliseconds, which then overflow to the end of time, and all windows close.
func (e *Estimator) CurrentWatermark() time.Time {
	return time.UnixMilli(max(e.Millis(), leastSeconds*1000))
}

// ReadFn reads an assignment, a bundle at a time.
type ReadFn struct {
	Config Config

	decoder *Decoder
}

// Setup makes the decoder.
func (f *ReadFn) Setup() error {
	var err error
	f.decoder, err = NewDecoder(f.Config.Decode)
	return err
}

// CreateInitialRestriction returns the whole assignment.
func (f *ReadFn) CreateInitialRestriction(a kafka.Assignment) kafka.Restriction {
	return kafka.Restriction{Next: a.Start}
}

// SplitRestriction splits nothing: see kafka.Tracker.
func (f *ReadFn) SplitRestriction(_ kafka.Assignment, r kafka.Restriction) []kafka.Restriction {
	return []kafka.Restriction{r}
}

// RestrictionSize returns the same for all: the rest of a topic has no known size.
func (f *ReadFn) RestrictionSize(kafka.Assignment, kafka.Restriction) float64 { return 1 }

// CreateTracker returns the restriction's tracker.
func (f *ReadFn) CreateTracker(r kafka.Restriction) *sdf.LockRTracker {
	return sdf.NewLockRTracker(kafka.NewTracker(r))
}

// TruncateRestriction ends the reading when the runner drains the pipeline.
func (f *ReadFn) TruncateRestriction(_ *sdf.LockRTracker, _ kafka.Assignment) kafka.Restriction {
	return kafka.Restriction{Done: true}
}

// InitialWatermarkEstimatorState returns that nothing was reported yet.
func (f *ReadFn) InitialWatermarkEstimatorState(beam.EventTime, kafka.Restriction, kafka.Assignment) int64 {
	return kafka.NoTime
}

// CreateWatermarkEstimator returns the estimator that reported millis.
func (f *ReadFn) CreateWatermarkEstimator(millis int64) *Estimator { return NewEstimator(millis) }

// WatermarkEstimatorState returns what was reported.
func (f *ReadFn) WatermarkEstimatorState(e *Estimator) int64 { return e.Millis() }

// errSplit ends a bundle whose rest the runner has taken back.
var errSplit = errors.New("the rest was given up")

// ProcessElement reads one bundle of a: chunk by chunk, claiming each whole.
func (f *ReadFn) ProcessElement(ctx context.Context, e *Estimator, rt *sdf.LockRTracker, a kafka.Assignment, emit func(click.Batch), reject func(click.Reject)) (sdf.ProcessContinuation, error) {
	began, from := time.Now(), slices.Clone(rt.GetRestriction().(kafka.Restriction).Next) // claims move it
	r, err := kafka.Resume(f.Config.Reader, a, from, e.Millis())
	if err != nil {
		return sdf.StopProcessing(), err
	}
	span := f.Config.Tracing.Begin(ctx, "read bundle")
	err = read(ctx, r, f.decoder, a, f.Config, emit, reject, func(c kafka.Claim) bool { return rt.TryClaim(c) })
	trace(span, a, from, r.Next(), err)
	if err != nil {
		r.Close()
		if errors.Is(err, errSplit) {
			return sdf.StopProcessing(), nil
		}
		return sdf.StopProcessing(), err
	}
	rest := f.Config.Pause
	if rest > 0 && !r.Reached() { // nothing waits that lies behind
		rest = 0
	}
	e.Set(r.Watermark.Advance(time.Now()))
	done := progress.Of(a.Pipeline)
	done.At(a.Partitions[0], r.Lag(), e.Millis())
	done.Partitions(standing(a, r.Watermark))
	done.Bundle(time.Since(began))
	if r.Done() {
		r.Close()
		_, _, err := rt.TrySplit(0) // nothing is left to resume
		return sdf.StopProcessing(), err
	}
	r.Park()
	return sdf.ResumeProcessingIn(rest), nil
}

// read reads chunks for as long as a bundle lasts, or to the end, and claims each before it is decoded. Where bundles do
// not follow each other, it reads no longer than until it has all that was there when the bundle began: the runner keeps no
// state while a bundle lasts.
func read(ctx context.Context, r *kafka.Reader, d *Decoder, a kafka.Assignment, cfg Config, emit func(click.Batch), reject func(click.Reject), claim func(kafka.Claim) bool) error {
	done := progress.Of(a.Pipeline)
	if cfg.Pause > 0 {
		r.Look(ctx)
	}
	for end := time.Now().Add(cfg.Bundle); time.Now().Before(end) && !r.Done(); {
		if ctx.Err() != nil { // the job was cancelled; polls would return at once, for as long as the bundle lasts
			return context.Cause(ctx)
		}
		err := r.Poll(ctx, func(c kafka.Chunk) error {
			if !claim(kafka.Claim{Index: c.Index, Next: c.Next}) {
				return errSplit
			}
			b, err := d.Chunk(ctx, a.Topic, c, time.Now(), r.Watermark, func(x click.Reject) {
				done.Rejected(x.Fault.Reason)
				if !cfg.Decode.Rejects {
					reject(x)
				}
			})
			if err != nil {
				return err
			}
			b.Reader = a.Partitions[0]
			done.Read(len(c.Records), &b)
			if b.Tells() || cfg.Decode.Events { // who asks for all wants to know how far this is, too
				emit(b)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := r.Tend(ctx); err != nil {
			return err
		}
		r.CommitOffsets()
		if cfg.Pause > 0 && r.Reached() {
			break
		}
	}
	return nil
}

// trace ends the span of a bundle that read a from some offsets to others.
func trace(span tracing.Span, a kafka.Assignment, from, to []int64, err error) {
	if span.Sent() {
		var records int64
		ranges := map[int32]click.OffsetRange{}
		for i, p := range a.Partitions {
			if to[i] > from[i] {
				ranges[p] = click.OffsetRange{First: from[i], Next: to[i]}
				records += to[i] - from[i]
			}
		}
		span.Set(append(tracing.Offsets(a.Topic, ranges), attribute.Int64("clickstream.records", records))...)
	}
	if errors.Is(err, errSplit) {
		err = nil
	}
	span.End(err)
}

// standing returns where the partitions of a stand.
func standing(a kafka.Assignment, w *kafka.Watermark) map[int32]progress.At {
	now, at := time.Now(), make(map[int32]progress.At, len(a.Partitions))
	for i, p := range a.Partitions {
		millis, idle := w.Of(i, now)
		stands := progress.At{Idle: idle}
		if millis != kafka.NoTime {
			stands.Watermark = time.UnixMilli(millis).UTC()
		}
		at[p] = stands
	}
	return at
}

// ReadWholeFn reads an assignment, which has an end, in one bundle. It is no splittable function: Spark's batch
// translation resumes none, and its streaming one never ends.
type ReadWholeFn struct {
	Config Config

	decoder *Decoder
}

// Setup makes the decoder.
func (f *ReadWholeFn) Setup() error {
	var err error
	f.decoder, err = NewDecoder(f.Config.Decode)
	return err
}

// ProcessElement reads a. Its watermark moves on as ReadFn's does, so that the same clicks are too late.
func (f *ReadWholeFn) ProcessElement(ctx context.Context, a kafka.Assignment, emit func(click.Batch), reject func(click.Reject)) (err error) {
	r, err := kafka.OpenReader(f.Config.Reader, a, a.Start, kafka.NoTime)
	if err != nil {
		return err
	}
	defer r.Close()
	span := f.Config.Tracing.Begin(ctx, "read bundle")
	defer func() { trace(span, a, a.Start, r.Next(), err) }()
	for !r.Done() {
		err := read(ctx, r, f.decoder, a, f.Config, emit, reject, func(kafka.Claim) bool { return true })
		if err != nil {
			return err
		}
		progress.Of(a.Pipeline).At(a.Partitions[0], r.Lag(), r.Watermark.Advance(time.Now()))
	}
	return nil
}
