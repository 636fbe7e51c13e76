package read

import (
	"context"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/types/known/timestamppb"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
)

// TestWatermarkOfNoTime counts as Beam's Flink runner does: the seconds of the watermark, in milliseconds.
func TestWatermarkOfNoTime(t *testing.T) {
	e := NewEstimator(kafka.NoTime)
	millis := timestamppb.New(e.CurrentWatermark()).GetSeconds() * 1000
	assert.Negative(t, millis, "it overflows to the end of time")
	assert.GreaterOrEqual(t, millis, mtime.MinTimestamp.Milliseconds(), "it is before Beam's least time")
	assert.Less(t, millis, time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), "nothing is before it")
	assert.Equal(t, kafka.NoTime, e.Millis(), "the reader still knows that there was none")

	e.Set(1_700_000_000_123)
	assert.Equal(t, time.UnixMilli(1_700_000_000_123), e.CurrentWatermark())
}

// value is that of a click.
var value = []byte(`{"event_id":"e","user_id":"u","page_url":"/","timestamp":1772366400000}`)

// resting returns a reader of a topic whose bundles might last for an hour, and what it reads.
func resting(t *testing.T, c *kafkatest.Cluster, topic string, partitions ...int32) (*ReadFn, kafka.Assignment) {
	t.Helper()
	fn := &ReadFn{Config: Config{
		Reader: kafka.ReaderSettings{Connection: kafka.Connection{Brokers: c.Brokers}, IdleTimeout: 100 * time.Millisecond},
		Decode: DecodeSettings{Format: "json", Window: time.Minute, ClockSkew: time.Minute},
		Bundle: time.Hour, Pause: 3 * time.Second,
	}}
	require.NoError(t, fn.Setup())
	a := kafka.Assignment{Pipeline: topic, Topic: topic, Total: len(partitions)}
	for _, p := range partitions {
		a.Partitions, a.Start, a.End = append(a.Partitions, p), append(a.Start, 0), append(a.End, kafka.Never)
		a.Consumed, a.Rejected = append(a.Consumed, 0), append(a.Rejected, nil)
	}
	t.Cleanup(func() { kafka.CloseParked(a.Pipeline) })
	return fn, a
}

// TestRestsOnceItHasCaughtUp has each bundle end with what there was to read as it began, however much comes meanwhile.
func TestRestsOnceItHasCaughtUp(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	topic := c.Topic(t, 1)
	fn, a := resting(t, c, topic, 0)
	ctx, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	e, tracker := NewEstimator(kafka.NoTime), fn.CreateTracker(fn.CreateInitialRestriction(a))
	at, clicks := time.UnixMilli(1772366400000), 0
	for bundle := 1; bundle <= 3; bundle++ {
		c.Produce(t, topic, &kgo.Record{Value: value, Timestamp: at}, &kgo.Record{Value: value, Timestamp: at})
		next, err := fn.ProcessElement(ctx, e, tracker, a,
			func(b click.Batch) { clicks += len(b.Pages) }, func(click.Reject) { t.Error("a click was rejected") })
		require.NoError(t, err)
		assert.Equal(t, 2*bundle, clicks, "what came during a rest is read after it")
		assert.True(t, next.ShouldResume())
		assert.Equal(t, 3*time.Second, next.ResumeDelay())
	}
}

// TestRestsWithoutHoldingTheWatermark has a partition get what is no click, all the time: it is as good as silent.
func TestRestsWithoutHoldingTheWatermark(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	topic := c.Topic(t, 2)
	fn, a := resting(t, c, topic, 0, 1)
	ctx, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	e, tracker := NewEstimator(kafka.NoTime), fn.CreateTracker(fn.CreateInitialRestriction(a))
	now := time.Now()
	rejected := 0
	for e.Millis() < now.UnixMilli() {
		require.NoError(t, ctx.Err(), "after %d records that are no clicks, the watermark stands at %d", rejected, e.Millis())
		c.Produce(t, topic, &kgo.Record{Partition: 1, Value: []byte("no click")})
		_, err := fn.ProcessElement(ctx, e, tracker, a, func(click.Batch) { t.Error("there is no click") }, func(click.Reject) { rejected++ })
		require.NoError(t, err)
	}
	assert.Positive(t, rejected)
}
