package replay

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/transforms/click"
)

var origin = Origin{Topic: "letters", Partition: 3, Offset: 42, SourcePartition: 1, SourceOffset: 7, Timestamp: 1_700_000_000_000, Attempt: 2, Reason: click.TooLate}

func TestHeadersKeepWhatWas(t *testing.T) {
	headers := origin.Headers([]kgo.RecordHeader{
		{Key: "trace", Value: []byte("1")}, {Key: "dlq.reason", Value: []byte("avro")}, {Key: attemptKey, Value: []byte("1")}, {Key: "trace", Value: []byte("2")},
	})
	assert.Equal(t, []kgo.RecordHeader{
		{Key: "trace", Value: []byte("1")}, {Key: "trace", Value: []byte("2")},
		{Key: "clickstream.replay.topic", Value: []byte("letters")}, {Key: "clickstream.replay.partition", Value: []byte("3")},
		{Key: "clickstream.replay.offset", Value: []byte("42")}, {Key: "clickstream.replay.source", Value: []byte("1:7")},
		{Key: "clickstream.replay.timestamp", Value: []byte("1700000000000")}, {Key: "clickstream.replay.attempt", Value: []byte("2")},
		{Key: "clickstream.replay.reason", Value: []byte("too_late")},
	}, headers)

	back, ok := Of(headers)
	assert.True(t, ok)
	assert.Equal(t, origin, back)
	assert.True(t, OfALateClick(headers))
}

// TestReplayedByAnOlderVersion reads headers that do not say why.
func TestReplayedByAnOlderVersion(t *testing.T) {
	headers := origin.Headers(nil)
	back, ok := Of(headers[:6])
	assert.True(t, ok)
	assert.Empty(t, back.Reason)
	assert.False(t, OfALateClick(headers[:6]))
}

func TestWhatWasNotReplayed(t *testing.T) {
	whole := origin.Headers(nil)
	for name, headers := range map[string][]kgo.RecordHeader{
		"no headers": nil,
		"others":     {{Key: "trace", Value: []byte("1")}},
		"one lacks":  whole[1:],
		"no attempt": append(whole[:5:5], kgo.RecordHeader{Key: attemptKey, Value: []byte("0")}),
		"no number":  append(whole[:5:5], kgo.RecordHeader{Key: attemptKey, Value: []byte("one")}),
		"no place":   append(append(whole[:3:3], kgo.RecordHeader{Key: sourceKey, Value: []byte("7")}), whole[4:]...),
		"a marker":   {{Key: Prefix + "marker", Value: []byte("1")}},
	} {
		_, ok := Of(headers)
		assert.False(t, ok, name)
	}
}
