package click_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/transforms/click"
)

func TestDurationsAreCountedByTheirBounds(t *testing.T) {
	var h click.Durations
	h.Observe(-time.Second, 1) // clocks differ
	h.Observe(30*time.Second, 2)
	h.Observe(30*time.Second+1, 4)
	h.Observe(2*time.Hour, 8)
	h.Observe(0, 1)
	assert.EqualValues(t, 16, h.Count())
	assert.Equal(t, (16*time.Hour + 180*time.Second).Milliseconds(), h.Millis)
	assert.EqualValues(t, 2, h.Buckets[0])
	assert.EqualValues(t, 8, h.Buckets[len(click.DurationBounds)], "beyond every bound")
	for i, bound := range click.DurationBounds {
		switch bound {
		case 30 * time.Second:
			assert.EqualValues(t, 2, h.Buckets[i], "a bound is of its bucket")
		case 45 * time.Second:
			assert.EqualValues(t, 4, h.Buckets[i])
		}
	}
}

func TestQuantile(t *testing.T) {
	var h click.Durations
	_, ok := h.Quantile(0.95)
	assert.False(t, ok, "of nothing")
	h.Observe(15*time.Second, 50)
	h.Observe(30*time.Second, 50)
	q, ok := h.Quantile(0.5)
	assert.True(t, ok)
	assert.Equal(t, 15*time.Second, q)
	q, _ = h.Quantile(0.95)
	assert.Equal(t, 29*time.Second, q, "nine tenths of the way from 20 s to 30 s")
	h.Observe(5*time.Hour, 1000)
	q, _ = h.Quantile(0.95)
	assert.Equal(t, time.Hour, q, "the last bound")
}

func TestDurationsAsText(t *testing.T) {
	var h click.Durations
	assert.Equal(t, "0", h.String())
	h.Observe(200*time.Millisecond, 3)
	h.Observe(48*time.Hour, 1)
	assert.Equal(t, "172800600 250:3 +Inf:1", h.String())
	rapid.Check(t, func(t *rapid.T) {
		var h click.Durations
		for range rapid.IntRange(0, 5).Draw(t, "kinds") {
			d := time.Duration(rapid.Int64Range(0, int64(5*time.Hour/time.Millisecond)).Draw(t, "ms")) * time.Millisecond
			h.Observe(d, rapid.Int64Range(1, 1<<20).Draw(t, "n"))
		}
		got, err := click.ParseDurations(h.String())
		require.NoError(t, err)
		assert.Equal(t, h, got)
		assert.Equal(t, h, func() click.Durations { twice := h; twice.Add(h); return twice.Minus(h) }())
	})
	got, err := click.ParseDurations("5 7:2")
	require.NoError(t, err)
	assert.EqualValues(t, 2, got.Buckets[1], "a bound that this version does not have")
	for _, text := range []string{"", "x", "-1", "1 5", "1 5:x", "1 :5", "1 5:-1", "9223372036854775808", "1 9223372036854775807:1"} {
		_, err := click.ParseDurations(text)
		require.ErrorContains(t, err, "histogram", text)
	}
}
