package kafka

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return noon.Add(d) }
func ms(d time.Duration) int64     { return at(d).UnixMilli() }

func TestWatermark(t *testing.T) {
	const delay, idle = 10 * time.Second, 30 * time.Second

	t.Run("is the least of the partitions, less the delay", func(t *testing.T) {
		w := NewWatermark(2, delay, idle, NoTime, noon)
		w.Observe(0, ms(time.Minute), noon)
		assert.Equal(t, NoTime, w.Advance(noon), "partition 1 has shown nothing")
		w.Observe(1, ms(2*time.Minute), noon)
		assert.Equal(t, ms(50*time.Second), w.Advance(noon))
	})
	t.Run("leaves out a caught-up partition that is silent from birth", func(t *testing.T) {
		w := NewWatermark(2, delay, idle, NoTime, noon)
		w.Observe(0, ms(time.Minute), at(idle))
		assert.Equal(t, []int{1}, w.Silent(at(idle)))
		assert.Equal(t, NoTime, w.Advance(at(idle)), "the broker was not asked")
		w.CaughtUp(1, at(idle))
		assert.Equal(t, ms(50*time.Second), w.Advance(at(idle)))
	})
	t.Run("waits for a silent partition that is behind, or whose broker gives no answer", func(t *testing.T) {
		w := NewWatermark(2, delay, idle, NoTime, noon)
		w.CaughtUp(1, noon) // before it was silent for long enough: that says nothing of now
		w.Observe(0, ms(time.Minute), at(time.Hour))
		assert.Equal(t, NoTime, w.Advance(at(time.Hour)))
		w.CaughtUp(1, at(time.Hour))
		assert.True(t, w.Idle(1, at(time.Hour)))
		assert.False(t, w.Idle(1, at(time.Hour+idleProof)), "the answer is too old")
	})
	t.Run("follows the wall clock when all are idle", func(t *testing.T) {
		w := NewWatermark(2, delay, idle, NoTime, noon)
		w.Observe(0, ms(0), noon)
		now := at(idle)
		w.CaughtUp(0, now)
		w.CaughtUp(1, now)
		assert.Equal(t, ms(idle-delay), w.Advance(now))
		w.Observe(1, ms(idle), now)
		assert.Equal(t, ms(idle-delay), w.Advance(now), "a partition that wakes up takes over")
		w.Observe(1, ms(idle+time.Second), now)
		assert.Equal(t, ms(idle+time.Second-delay), w.Advance(now))
	})
	t.Run("does not wait for a partition that was read to its end", func(t *testing.T) {
		w := NewWatermark(2, delay, idle, NoTime, noon)
		w.End(1)
		w.Observe(0, ms(0), noon)
		assert.Equal(t, ms(-delay), w.Advance(noon))
		w.End(0)
		assert.Equal(t, ms(-delay), w.Advance(at(time.Hour)))
		assert.Empty(t, w.Silent(at(time.Hour)))
	})
	t.Run("goes on from what was reported", func(t *testing.T) {
		w := NewWatermark(1, delay, idle, ms(time.Minute), noon)
		w.Observe(0, ms(0), noon)
		assert.Equal(t, ms(time.Minute), w.Advance(noon))
	})
}

// TestWatermarkNeverGoesBack shows it any clicks at any times, with the clock jumping back as well.
func TestWatermarkNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3).Draw(t, "partitions")
		w := NewWatermark(n, time.Second, 5*time.Second, NoTime, noon)
		before := w.Reported()
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			i := rapid.IntRange(0, n-1).Draw(t, "partition")
			now := at(time.Duration(rapid.IntRange(-10, 100).Draw(t, "now")) * time.Second)
			switch rapid.SampledFrom([]string{"observe", "caught up", "end"}).Draw(t, "what") {
			case "observe":
				w.Observe(i, ms(time.Duration(rapid.IntRange(-100, 100).Draw(t, "event"))*time.Second), now)
			case "caught up":
				w.CaughtUp(i, now)
			case "end":
				w.End(i)
			}
			after := w.Advance(now)
			if after < before {
				t.Fatalf("the watermark went from %d back to %d", before, after)
			}
			before = after
		}
	})
}
