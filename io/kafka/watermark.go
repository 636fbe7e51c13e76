package kafka

import (
	"math"
	"time"
)

// NoTime is a watermark, or an event time, that is not known yet.
const NoTime int64 = math.MinInt64

// Watermark follows the event times of a reader's partitions: no click older than it is expected. Times are in
// milliseconds since the epoch.
//
// It is the least, over the partitions, of the largest event time less the delay. Three kinds of partition are
// left out: one that was read to its end, one that is idle (caught up, and without a click for the idle
// timeout), and, when all of them are idle, all: the watermark then follows the wall clock less the delay, so
// that windows close when traffic stops. It never goes back.
type Watermark struct {
	delay, idle time.Duration
	partitions  []progress
	reported    int64
}

type progress struct {
	seen     int64     // the largest event time
	active   time.Time // when a click was last seen; at first, when the reader began
	caughtUp time.Time // when the broker last said that nothing is left
	ended    bool
}

// NewWatermark returns the watermark of n partitions that a reader begins with now, having reported before what
// an earlier reader of them did, or NoTime.
func NewWatermark(n int, delay, idle time.Duration, reported int64, now time.Time) *Watermark {
	w := &Watermark{delay: delay, idle: idle, partitions: make([]progress, n), reported: reported}
	for i := range w.partitions {
		w.partitions[i] = progress{seen: NoTime, active: now}
	}
	return w
}

// Observe takes note of a click of partition i with the given event time, seen now.
func (w *Watermark) Observe(i int, eventTime int64, now time.Time) {
	p := &w.partitions[i]
	p.seen = max(p.seen, eventTime)
	p.active = now
}

// CaughtUp takes note that nothing of partition i was left to read at a time.
func (w *Watermark) CaughtUp(i int, at time.Time) {
	if p := &w.partitions[i]; at.After(p.caughtUp) {
		p.caughtUp = at
	}
}

// End takes note that partition i was read to where its assignment ends.
func (w *Watermark) End(i int) { w.partitions[i].ended = true }

// Silent returns the partitions that have shown no click for the idle timeout: those for which CaughtUp matters.
func (w *Watermark) Silent(now time.Time) []int {
	var silent []int
	for i := range w.partitions {
		if p := &w.partitions[i]; !p.ended && now.Sub(p.active) >= w.idle {
			silent = append(silent, i)
		}
	}
	return silent
}

// Idle tells whether partition i is left out: silent for the idle timeout, and known since to be caught up.
// A partition whose broker cannot be asked is not idle, however silent: it may be filling up unseen.
func (w *Watermark) Idle(i int, now time.Time) bool {
	p := &w.partitions[i]
	return !p.ended && now.Sub(p.active) >= w.idle && !p.caughtUp.Before(p.active.Add(w.idle)) && now.Sub(p.caughtUp) < idleProof
}

// idleProof is for how long the broker's word that nothing is left counts.
const idleProof = 15 * time.Second

// Of returns the watermark of partition i alone, or NoTime, and whether it is idle.
func (w *Watermark) Of(i int, now time.Time) (millis int64, idle bool) {
	if w.partitions[i].seen == NoTime {
		return NoTime, w.Idle(i, now)
	}
	return w.partitions[i].seen - w.delay.Milliseconds(), w.Idle(i, now)
}

// Advance moves the watermark as far as it can go now, and returns it.
func (w *Watermark) Advance(now time.Time) int64 {
	low, idle := int64(math.MaxInt64), false
	for i := range w.partitions {
		p := &w.partitions[i]
		switch {
		case p.ended:
		case w.Idle(i, now):
			idle = true
		case p.seen == NoTime:
			return w.reported
		default:
			low = min(low, p.seen)
		}
	}
	if low == math.MaxInt64 {
		if !idle {
			return w.reported // all have ended: whoever reads on closes the windows
		}
		low = now.UnixMilli()
	}
	w.reported = max(w.reported, low-w.delay.Milliseconds())
	return w.reported
}

// Reported returns what Advance last returned.
func (w *Watermark) Reported() int64 { return w.reported }
