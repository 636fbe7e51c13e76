// Package dlq looks at dead letters, and puts them back where they came from. It knows nothing of the command line, and
// of runs only what they write: see transforms/deadletter for the form of a dead letter.
package dlq

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
	"clickstream/transforms/replay"
)

// letter is a dead letter.
type letter struct {
	partition int32 // where it stands in the dead letter topic
	offset    int64
	at        time.Time // when it was written

	reason  click.Reason
	topic   string // where its record stands
	source  int32
	of      int64
	written int64 // when that was, milliseconds since the epoch
	attempt int   // how often it had been replayed then

	record *kgo.Record
}

// known keeps one copy of words that come again and again.
type known map[string]string

func (k known) word(b []byte) string {
	w, ok := k[string(b)]
	if !ok {
		w = string(b)
		if len(k) < 10_000 && len(w) <= longestTopic {
			k[w] = w
		}
	}
	return w
}

// What is longer is no reason, and no name that Kafka takes.
const (
	longestReason = 100
	longestTopic  = 249
)

// parse makes l the dead letter that a record is, or tells that it is none.
func (k known) parse(rec *kgo.Record, l *letter) bool {
	*l = letter{partition: rec.Partition, offset: rec.Offset, at: rec.Timestamp, source: -1, of: -1, record: rec}
	replayed := false
	for i := range rec.Headers {
		h := &rec.Headers[i]
		switch h.Key {
		case "dlq.reason":
			l.reason = click.Reason(k.word(h.Value))
		case "dlq.topic":
			l.topic = k.word(h.Value)
		case "dlq.partition":
			n, err := strconv.ParseInt(string(h.Value), 10, 32)
			if err != nil {
				return false
			}
			l.source = int32(n)
		case "dlq.offset":
			n, err := strconv.ParseInt(string(h.Value), 10, 64)
			if err != nil {
				return false
			}
			l.of = n
		case "dlq.timestamp":
			l.written, _ = strconv.ParseInt(string(h.Value), 10, 64) // 0 is as good as any other mistake
		default:
			replayed = replayed || len(h.Key) > len(replay.Prefix) && h.Key[:len(replay.Prefix)] == replay.Prefix
		}
	}
	if replayed {
		if o, ok := replay.Of(rec.Headers); ok {
			l.attempt = o.Attempt
		}
	}
	return l.reason != "" && len(l.reason) <= longestReason && l.topic != "" && len(l.topic) <= longestTopic && l.source >= 0 && l.of >= 0
}

// choice is which dead letters are meant.
type choice struct {
	topic        string // empty: any
	reasons      map[click.Reason]bool
	since, until time.Time
	partition    *int32
	offsets      settings.OffsetSpan
	source       bool // partition and offsets are the record's
}

func choose(l *settings.Letters, topic string, offsets settings.OffsetSpan) *choice {
	c := &choice{topic: topic, since: l.Since.Time, until: l.Until.Time, partition: l.Partition, source: l.Source, offsets: offsets}
	for _, r := range l.Reason {
		if c.reasons == nil {
			c.reasons = map[click.Reason]bool{}
		}
		c.reasons[click.Reason(r)] = true
	}
	return c
}

// has tells whether a dead letter is meant, whatever topic it is of.
func (c *choice) has(l *letter) bool {
	partition, offset := l.partition, l.offset
	if c.source {
		partition, offset = l.source, l.of
	}
	switch {
	case c.reasons != nil && !c.reasons[l.reason],
		!c.since.IsZero() && l.at.Before(c.since),
		!c.until.IsZero() && !l.at.Before(c.until),
		c.partition != nil && partition != *c.partition,
		c.offsets.Given && (offset < c.offsets.From || offset > c.offsets.To):
		return false
	}
	return true
}

// Foreign is records of the dead letter topic that are no dead letters.
type Foreign struct {
	Count int64    `json:"count"`
	First []string `json:"first"` // where the first ones stand, as partition:offset
}

const shownForeign = 5

func (f *Foreign) add(rec *kgo.Record) {
	if f.Count++; len(f.First) < shownForeign {
		f.First = append(f.First, settings.Place{Partition: rec.Partition, Offset: rec.Offset}.String())
	}
}
