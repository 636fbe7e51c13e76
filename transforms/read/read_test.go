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

// TestRestsOnceItHasCaughtUp has a bundle that might last for an hour end with what there is to read.
func TestRestsOnceItHasCaughtUp(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	topic := c.Topic(t, 1)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	value := []byte(`{"event_id":"e","user_id":"u","page_url":"/","timestamp":1772366400000}`)
	c.Produce(t, topic, &kgo.Record{Value: value, Timestamp: at}, &kgo.Record{Value: value, Timestamp: at})
	fn := ReadFn{Config: Config{
		Reader: kafka.ReaderSettings{Connection: kafka.Connection{Brokers: c.Brokers}},
		Decode: DecodeSettings{Format: "json", Window: time.Minute, ClockSkew: time.Minute},
		Bundle: time.Hour, Pause: 3 * time.Second,
	}}
	require.NoError(t, fn.Setup())
	a := kafka.Assignment{
		Pipeline: t.Name(), Topic: topic, Partitions: []int32{0}, Start: []int64{0}, End: []int64{kafka.Never},
		Total: 1, Consumed: []int64{0}, Rejected: []kafka.Offsets{nil},
	}
	defer kafka.CloseParked(a.Pipeline)
	ctx, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	clicks := 0
	tracker := fn.CreateTracker(fn.CreateInitialRestriction(a))
	next, err := fn.ProcessElement(ctx, NewEstimator(kafka.NoTime), tracker, a,
		func(b click.Batch) { clicks += len(b.Pages) }, func(click.Reject) { t.Error("a click was rejected") })
	require.NoError(t, err)
	assert.Equal(t, 2, clicks)
	assert.True(t, next.ShouldResume())
	assert.Equal(t, 3*time.Second, next.ResumeDelay())
}
