package read

import (
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/stretchr/testify/assert"
	"google.golang.org/protobuf/types/known/timestamppb"

	"clickstream/io/kafka"
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
