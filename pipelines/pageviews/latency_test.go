package pageviews_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/table"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
)

// TestLatencyIsThatOfEachClickOnce has clicks wait for a minute and a half, and others not at all. The run tells each one's
// latency, from its record's time at the broker, and the table's log tells the same; a run that goes on where the table is
// reads clicks again, and tells of the new ones alone.
func TestLatencyIsThatOfEachClickOnce(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 2, "--format", "json")
		log := table.NewFollower(j.settings.Table, 5*time.Minute)
		_, err := log.Look(t.Context()) // there is none yet: all that comes is new
		require.NoError(t, err)
		produce := func(n int, ago time.Duration) {
			for i := range n {
				at := time.Now().Add(-ago)
				rec := j.click(int32(i%2), "/", at)
				rec.Timestamp = at
				j.produce(rec)
			}
		}
		told := func() (latency click.Durations) {
			news, err := log.Look(t.Context())
			require.NoError(t, err)
			for _, one := range news.Told {
				latency.Add(one.Latency)
			}
			return latency
		}
		between := func(h click.Durations, low, high time.Duration) (n int64) {
			for i, bound := range click.DurationBounds {
				if bound > low && bound <= high {
					n += h.Buckets[i]
				}
			}
			return n
		}
		produce(10, 95*time.Second)
		produce(21, 0)
		first := j.run().Progress().Latency
		assert.EqualValues(t, 31, first.Count())
		assert.EqualValues(t, 10, between(first, 90*time.Second, 5*time.Minute))
		assert.EqualValues(t, 21, between(first, 0, time.Minute))
		assert.Equal(t, first, told())

		produce(4, 95*time.Second)
		produce(5, 0)
		again := j.run().Progress()
		assert.EqualValues(t, 40, again.Counted, "what is not final is counted again")
		assert.EqualValues(t, 9, again.Latency.Count())
		assert.EqualValues(t, 4, between(again.Latency, 90*time.Second, 5*time.Minute))
		assert.Equal(t, again.Latency, told())
	})
}
