package deadletter

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/transforms/click"
)

func TestRecordKeepsWhatWasAndSaysWhy(t *testing.T) {
	r := Record(click.Reject{
		Fault: *click.Faultf(click.JSON, "it is %q", "nonsense"), Stage: "decode",
		Topic: "clicks", Partition: 3, Offset: 42, Timestamp: 1_700_000_000_000,
		Key: []byte("k"), Value: []byte("v"),
		Headers: []click.Header{{Key: "trace", Value: []byte("1")}, {Key: "dlq.reason", Value: []byte("avro")}, {Key: "trace", Value: []byte("2")}},
	}, "v9")

	assert.Equal(t, "k", string(r.Key))
	assert.Equal(t, "v", string(r.Value))
	assert.True(t, r.Timestamp.IsZero(), "a dead letter is of when it is written")
	want := []kgo.RecordHeader{
		{Key: "trace", Value: []byte("1")}, {Key: "trace", Value: []byte("2")},
		{Key: "dlq.reason", Value: []byte("json")}, {Key: "dlq.error", Value: []byte(`it is "nonsense"`)},
		{Key: "dlq.topic", Value: []byte("clicks")}, {Key: "dlq.partition", Value: []byte("3")},
		{Key: "dlq.offset", Value: []byte("42")}, {Key: "dlq.timestamp", Value: []byte("1700000000000")},
		{Key: "dlq.stage", Value: []byte("decode")}, {Key: "dlq.version", Value: []byte("v9")},
	}
	assert.Equal(t, want, r.Headers, "an earlier rejection's headers are replaced")
}

func TestRecordKeepsATombstone(t *testing.T) {
	r := Record(click.Reject{Fault: *click.Faultf(click.BadMagic, "empty")}, "v9")
	assert.Nil(t, r.Value)
	assert.Nil(t, r.Key)
}

func BenchmarkRecord(b *testing.B) {
	x := click.Reject{
		Fault: *click.Faultf(click.JSON, "it is nonsense"), Stage: "decode", Topic: "events.clickstream.raw", Partition: 3, Offset: 42, Timestamp: 1_700_000_000_000,
		Key: []byte("k"), Value: []byte("v"), Headers: []click.Header{{Key: "trace", Value: []byte("1")}},
	}
	for b.Loop() {
		Record(x, "clickstream v1.2.3")
	}
}
