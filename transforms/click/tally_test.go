package click_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/transforms/click"
)

// TestTimesOfADayAreFew has records from all over a day, in no order: there are few times among them, and each is about
// that of its record.
func TestTimesOfADayAreFew(t *testing.T) {
	const now, day = 1_800_000_000_000, int64(24 * time.Hour / time.Millisecond)
	random, times := rand.New(rand.NewPCG(1, 2)), map[int64]bool{} //nolint:gosec // it is to be the same each time
	for range 300_000 {
		at := now - random.Int64N(day)
		written := click.WrittenAt(at, now)
		times[written] = true
		require.LessOrEqual(t, written, at)
		require.Less(t, at-written, max(64, (now-at)/256+1))
	}
	assert.Less(t, len(times), 4000)
}

func TestTimesThatCannotBe(t *testing.T) {
	const now = 1_800_000_000_000
	for _, at := range []int64{now, now + 1, now + int64(time.Hour/time.Millisecond), -1, 0, 1, -1 << 62} {
		written := click.WrittenAt(at, now)
		assert.LessOrEqual(t, written, at)
		assert.InEpsilon(t, now-at+1_000_000, now-written+1_000_000, 0.01, at)
	}
}
