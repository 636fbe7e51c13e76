package click

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// DurationBounds are the upper bounds, inclusive, of the buckets of Durations. What a target or an alert speaks of is
// one of them, and so is told exactly.
var DurationBounds = [...]time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second,
	30 * time.Second, 45 * time.Second, time.Minute, 90 * time.Second, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	30 * time.Minute, time.Hour,
}

// Durations is a histogram: how many durations lie in each bucket, and their sum. The zero value is empty. It is no
// more than its numbers: copies are independent.
type Durations struct {
	Buckets [len(DurationBounds) + 1]int64 // not cumulative; the last is of all that exceed every bound
	Millis  int64                          // their sum: a backlog's, of a hundred million clicks a week old, is no time.Duration any more
}

// Observe adds n durations of d. Less than nothing, of clocks that differ, counts as nothing.
func (h *Durations) Observe(d time.Duration, n int64) {
	d = max(0, d)
	at := 0
	for at < len(DurationBounds) && d > DurationBounds[at] {
		at++
	}
	h.Buckets[at] += n
	h.Millis += d.Round(time.Millisecond).Milliseconds() * n
}

// Count returns how many durations there are.
func (h *Durations) Count() int64 {
	var n int64
	for _, b := range h.Buckets {
		n += b
	}
	return n
}

// Add adds o's durations.
func (h *Durations) Add(o Durations) {
	for i, n := range o.Buckets {
		h.Buckets[i] += n
	}
	h.Millis += o.Millis
}

// Minus returns what h has beyond an earlier state of it. Where o is no earlier state, what would be negative is left out.
func (h Durations) Minus(o Durations) Durations {
	for i, n := range o.Buckets {
		h.Buckets[i] = max(0, h.Buckets[i]-n)
	}
	h.Millis = max(0, h.Millis-o.Millis)
	return h
}

// Quantile returns the duration that the fraction q of all does not exceed, and false where there are none. Within a
// bucket it takes them to be spread evenly, as Prometheus' histogram_quantile does; beyond the last bound it returns that.
func (h *Durations) Quantile(q float64) (time.Duration, bool) {
	total := h.Count()
	if total == 0 {
		return 0, false
	}
	rank := q * float64(total)
	var below int64
	for i, n := range h.Buckets[:len(DurationBounds)] {
		if n > 0 && float64(below+n) >= rank {
			var low time.Duration
			if i > 0 {
				low = DurationBounds[i-1]
			}
			return low + time.Duration(float64(DurationBounds[i]-low)*(rank-float64(below))/float64(n)), true
		}
		below += n
	}
	return DurationBounds[len(DurationBounds)-1], true
}

// beyond names the last bucket in the text of a histogram.
const beyond = "+Inf"

// String returns h as text: its sum, and BOUND:COUNT of each bucket that is not empty, times in milliseconds. Bounds,
// and not numbers of buckets, so that another version with other ones can take it.
func (h Durations) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", h.Millis)
	for i, n := range h.Buckets {
		switch {
		case n == 0:
		case i < len(DurationBounds):
			fmt.Fprintf(&b, " %d:%d", DurationBounds[i].Milliseconds(), n)
		default:
			fmt.Fprintf(&b, " %s:%d", beyond, n)
		}
	}
	return b.String()
}

// ParseDurations reads what String wrote. It returns an error for any other text.
func ParseDurations(text string) (Durations, error) {
	var h Durations
	sum, rest, _ := strings.Cut(text, " ")
	millis, err := parseCount(sum, math.MaxInt64)
	if err != nil {
		return Durations{}, fmt.Errorf("histogram %q: %w", text, err)
	}
	for _, field := range strings.Fields(rest) {
		bound, number, _ := strings.Cut(field, ":")
		n, err := parseCount(number, math.MaxInt64)
		if err != nil {
			return Durations{}, fmt.Errorf("histogram %q: %w", text, err)
		}
		if bound == beyond {
			h.Buckets[len(DurationBounds)] += n
			continue
		}
		limit, err := parseCount(bound, math.MaxInt64/int64(time.Millisecond))
		if err != nil {
			return Durations{}, fmt.Errorf("histogram %q: %w", text, err)
		}
		h.Observe(time.Duration(limit)*time.Millisecond, n)
	}
	h.Millis = millis
	return h, nil
}

func parseCount(text string, most int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, err
	}
	if n < 0 || n > most {
		return 0, fmt.Errorf("%d is out of range", n)
	}
	return n, nil
}
