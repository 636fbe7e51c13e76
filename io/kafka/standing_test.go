package kafka

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestStanding(t *testing.T) {
	w := NewWatermark(2, 10*time.Second, 30*time.Second, NoTime, noon)
	assert.Empty(t, w.standing(0, noon), "nothing is known")
	w.Observe(0, ms(time.Minute)+7, noon)
	assert.Equal(t, "watermark=2026-03-01T12:00:50.007Z", w.standing(0, noon))
	w.CaughtUp(0, at(time.Minute))
	text := w.standing(0, at(time.Minute))
	assert.Equal(t, "watermark=2026-03-01T12:00:50.007Z idle", text)

	got, idle := ParseStanding(text)
	assert.Equal(t, at(50*time.Second+7*time.Millisecond), got)
	assert.True(t, idle)
	_, idle = ParseStanding("watermark=2026-03-01T12:00:50.007Z")
	assert.False(t, idle)
	for _, other := range []string{"", "idle", "watermark=", "watermark=noon idle", "2026-03-01T12:00:50.007Z", "sessions v1 since=2026"} {
		got, idle := ParseStanding(other)
		assert.True(t, got.IsZero(), other)
		assert.False(t, idle, other)
	}
}
