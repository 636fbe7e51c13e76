// Package replay holds the words of a record that was put back from the dead letter topic: headers that say which
// dead letter it was, and how often it was tried. It knows nothing of Beam.
package replay

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/transforms/click"
)

// Prefix begins the keys of all headers that a replay adds to a record.
const Prefix = "clickstream.replay."

const (
	topicKey     = Prefix + "topic"
	partitionKey = Prefix + "partition"
	offsetKey    = Prefix + "offset"
	sourceKey    = Prefix + "source"
	timestampKey = Prefix + "timestamp"
	attemptKey   = Prefix + "attempt"
	reasonKey    = Prefix + "reason"
)

// rejection begins the keys of the headers that a dead letter has.
const rejection = "dlq."

// Origin is where a replayed record comes from.
type Origin struct {
	Topic     string // of the dead letter
	Partition int32
	Offset    int64

	SourcePartition int32 // where the record stood that the dead letter is of, in the topic that it is in again
	SourceOffset    int64
	Timestamp       int64 // of that record, milliseconds since the epoch

	Attempt int // 1 where it was replayed once

	Reason click.Reason // why it was a dead letter; empty where an older version replayed it
}

// OfALateClick tells whether a record was replayed that had come too late for a window: where it first stood, it is a click
// for all that need no windows.
func OfALateClick(headers []kgo.RecordHeader) bool {
	o, ok := Of(headers)
	return ok && o.Reason == click.TooLate
}

// Of returns where a record was replayed from; false for one that was not.
func Of(headers []kgo.RecordHeader) (Origin, bool) {
	var (
		o    Origin
		seen int
	)
	for i := range headers {
		h := &headers[i]
		if !strings.HasPrefix(h.Key, Prefix) {
			continue
		}
		ok := true
		switch h.Key {
		case topicKey:
			o.Topic = string(h.Value)
		case partitionKey:
			o.Partition, ok = partition(h.Value)
		case offsetKey:
			o.Offset, ok = number(h.Value)
		case sourceKey:
			p, offset, _ := bytes.Cut(h.Value, []byte{':'})
			o.SourcePartition, ok = partition(p)
			if ok {
				o.SourceOffset, ok = number(offset)
			}
		case timestampKey:
			o.Timestamp, ok = number(h.Value)
		case attemptKey:
			var n int64
			n, ok = number(h.Value)
			o.Attempt = int(n)
		case reasonKey:
			o.Reason = click.Reason(h.Value)
			continue
		default:
			continue
		}
		if !ok {
			return Origin{}, false
		}
		seen++
	}
	return o, seen == 6 && o.Attempt > 0
}

func number(value []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(value), 10, 64)
	return n, err == nil
}

func partition(value []byte) (int32, bool) {
	n, err := strconv.ParseInt(string(value), 10, 32)
	return int32(n), err == nil && n >= 0
}

// Headers returns the headers of the record that is put back: those that the dead letter had, without what its rejection
// and earlier replays added, and o.
func (o Origin) Headers(had []kgo.RecordHeader) []kgo.RecordHeader {
	headers := make([]kgo.RecordHeader, 0, len(had)+7)
	for _, h := range had {
		if !strings.HasPrefix(h.Key, rejection) && !strings.HasPrefix(h.Key, Prefix) {
			headers = append(headers, h)
		}
	}
	source := strconv.AppendInt(append(strconv.AppendInt(nil, int64(o.SourcePartition), 10), ':'), o.SourceOffset, 10)
	return append(headers,
		kgo.RecordHeader{Key: topicKey, Value: []byte(o.Topic)},
		kgo.RecordHeader{Key: partitionKey, Value: strconv.AppendInt(nil, int64(o.Partition), 10)},
		kgo.RecordHeader{Key: offsetKey, Value: strconv.AppendInt(nil, o.Offset, 10)},
		kgo.RecordHeader{Key: sourceKey, Value: source},
		kgo.RecordHeader{Key: timestampKey, Value: strconv.AppendInt(nil, o.Timestamp, 10)},
		kgo.RecordHeader{Key: attemptKey, Value: strconv.AppendInt(nil, int64(o.Attempt), 10)},
		kgo.RecordHeader{Key: reasonKey, Value: []byte(o.Reason)},
	)
}
