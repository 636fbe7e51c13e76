package generate

import (
	"context"
	"time"

	"clickstream/io/kafka"
)

// Schedule says how many clicks are made, and when.
type Schedule struct {
	Count int64         // clicks; 0: until the context ends
	Rate  float64       // clicks a second of wall clock; 0: as fast as they are taken
	From  time.Time     // when the first is written, as its record says; zero: now, or so that a span ends now
	Span  time.Duration // what the records' times cover, evenly; 0: they follow the wall clock
	Now   bool          // only clicks are of those times: records say when they are written in truth
}

// checkEvery is how often the writer is asked whether all arrived so far.
const checkEvery = time.Second

// Run writes clicks of src to w as scheduled, and returns how many. Every so often it calls progress, if that is
// not nil, with the number so far.
//
// It ends with the count, or without an error when ctx ends; either way all that it counts has arrived.
func Run(ctx context.Context, w *kafka.Writer, src *Source, s Schedule, progress func(n int64)) (int64, error) {
	var n int64
	begin := time.Now()
	checked := begin
	written := context.WithoutCancel(ctx)
	for ; (s.Count == 0 || n < s.Count) && ctx.Err() == nil; n++ {
		if s.Rate > 0 && n%rateStep(s.Rate) == 0 {
			if !wait(ctx, time.Until(begin.Add(time.Duration(float64(n)/s.Rate*float64(time.Second))))) {
				break
			}
		}
		r, err := src.Next(s.time(n, begin))
		if err != nil {
			return n, err
		}
		if s.Now {
			r.Timestamp = time.Now()
		}
		w.Write(written, r)
		if time.Since(checked) >= checkEvery {
			if err := w.Failed(); err != nil {
				return n, err
			}
			checked = time.Now()
			if progress != nil {
				progress(n)
			}
		}
	}
	if err := w.Flush(written); err != nil {
		return n, err
	}
	if progress != nil {
		progress(n)
	}
	return n, nil
}

// time returns when click n is written, as its record says.
func (s Schedule) time(n int64, begin time.Time) time.Time {
	switch {
	case s.Span > 0 && s.Count > 0:
		from := s.From
		if from.IsZero() {
			from = begin.Add(-s.Span)
		}
		return from.Add(time.Duration(float64(s.Span) * float64(n) / float64(s.Count)))
	case !s.From.IsZero():
		return s.From.Add(time.Since(begin))
	}
	return time.Now()
}

// rateStep is after how many clicks the clock is looked at: a hundred times a second, or at each click.
func rateStep(rate float64) int64 { return max(1, int64(rate/100)) }

// wait returns after d, or false if ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
