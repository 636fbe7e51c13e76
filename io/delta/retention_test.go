package delta_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
)

func TestParseInterval(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"interval 30 days":              30 * day,
		"INTERVAL 1 week":               7 * day,
		"2 weeks 12 hours 1 minute":     14*day + 12*time.Hour + time.Minute,
		"interval 0 seconds":            0,
		"interval 168 hours":            7 * day,
		"5 milliseconds 3 microseconds": 5*time.Millisecond + 3*time.Microsecond,
	} {
		got, err := delta.ParseInterval(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "interval", "30", "days 30", "interval 1 month", "1 year", "-1 days", "1.5 days", "99999999999 weeks", "1 day 2"} {
		_, err := delta.ParseInterval(text)
		assert.ErrorContains(t, err, "is no interval", text)
	}
}
