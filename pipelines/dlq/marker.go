package dlq

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/transforms/click"
	"clickstream/transforms/replay"
)

// markerKey is the header by which a record of the dead letter topic is a marker.
const markerKey = replay.Prefix + "marker"

// marker says which records a transaction has replayed. It is committed with them, into the partition of their dead
// letters and behind those, so that what deletes it has deleted them before. It names the records, not the dead letters:
// a run may have written several of one.
type marker struct {
	Topic   string           `json:"topic"` // that they came from, and went to
	TopicID string           `json:"topic_id,omitempty"`
	Records map[int32]string `json:"records"` // by partition: where they stood
	Landed  map[int32]string `json:"landed"`  // and where they stand now, others may be between them
	Program string           `json:"program"`
}

// readMarker returns the marker that a record is, if it is one.
func readMarker(rec *kgo.Record) (m marker, is bool, err error) {
	if !slices.ContainsFunc(rec.Headers, func(h kgo.RecordHeader) bool { return h.Key == markerKey }) {
		return m, false, nil
	}
	if err := json.Unmarshal(rec.Value, &m); err != nil {
		return m, true, fmt.Errorf("partition %d offset %d is no marker of replays: %w", rec.Partition, rec.Offset, err)
	}
	return m, true, nil
}

// done is what markers say of one source topic.
type done struct {
	records places
	landed  map[int32][]click.OffsetRange
	last    time.Time // when the last marker was written
	gone    bool      // the topic was made again since
}

// subject is a source topic. One that was made again under its name is another.
type subject struct{ topic, id string }

// progress is what markers say.
type progress map[subject]*done

// identify finds out which topics are not those any more that were replayed into. Of one that may not be asked nothing is
// known: it is taken for the one that it was.
func (p progress) identify(ctx context.Context, t *topic) {
	for of, d := range p {
		is, err := t.connection.Identify(ctx, t.admin, kafka.Doing{Operation: "Describe", Topic: of.topic})
		d.gone = err == nil && !kafka.SameID(of.id, is.Topic)
	}
}

// before tells whether a dead letter is of a topic that was made again since: whether it had been there when that was
// replayed into.
func (p progress) before(l *letter) bool {
	for of, d := range p {
		if d.gone && of.topic == l.topic && !l.at.After(d.last) {
			return true
		}
	}
	return false
}

// has tells whether a record was replayed, into the topic that it is of.
func (p progress) has(l *letter) bool {
	before := p.before(l)
	for of, d := range p {
		if of.topic == l.topic && d.gone == before && d.records.has(l.source, l.of) {
			return true
		}
	}
	return false
}

// of returns what is done of a topic.
func (p progress) of(s subject) *done {
	d := p[s]
	if d == nil {
		d = &done{records: places{}, landed: map[int32][]click.OffsetRange{}}
		p[s] = d
	}
	return d
}

// add takes in a marker that was written then.
func (p progress) add(m marker, at time.Time) error {
	d := p.of(subject{m.Topic, m.TopicID})
	for partition, text := range m.Records {
		all, err := readRanges(text)
		if err != nil {
			return err
		}
		for _, r := range all {
			for o := r.First; o < r.Next; o++ {
				d.records.add(partition, o)
			}
		}
	}
	for partition, text := range m.Landed {
		all, err := readRanges(text)
		if err != nil {
			return err
		}
		d.landed[partition] = append(d.landed[partition], all...)
	}
	if at.After(d.last) {
		d.last = at
	}
	return nil
}

// closeTogether is how many offsets are read rather than left out.
const closeTogether = 10_000

// joined returns where replayed records landed, ascending, with what lies close together in one.
func (d *done) joined() map[int32][]click.OffsetRange {
	all := map[int32][]click.OffsetRange{}
	for partition, landed := range d.landed {
		landed = slices.Clone(landed)
		slices.SortFunc(landed, func(a, b click.OffsetRange) int { return int(min(1, max(-1, a.First-b.First))) })
		var joined []click.OffsetRange
		for _, r := range landed {
			if last := len(joined) - 1; last >= 0 && r.First <= joined[last].Next+closeTogether {
				joined[last] = joined[last].Union(r)
			} else {
				joined = append(joined, r)
			}
		}
		all[partition] = joined
	}
	return all
}

// batch is what a transaction replays.
type batch struct {
	records map[int32]map[int32][]int64 // by partition of the dead letters, and of the source
	landed  map[int32]click.OffsetRange
	count   int
	bytes   int
	begun   time.Time
}

func newBatch() *batch {
	return &batch{records: map[int32]map[int32][]int64{}, landed: map[int32]click.OffsetRange{}}
}

func (b *batch) add(l *letter) {
	if b.count == 0 {
		b.begun = time.Now()
	}
	of := b.records[l.partition]
	if of == nil {
		of = map[int32][]int64{}
		b.records[l.partition] = of
	}
	of[l.source] = append(of[l.source], l.of)
	b.count++
	b.bytes += len(l.record.Key) + len(l.record.Value)
}

// rangesAtOnce is how many ranges a marker names, so that it is smaller than any topic's largest record.
const rangesAtOnce = 500

// markers returns the markers of the batch, for the topic of dead letters.
func (b *batch) markers(topic string, of marker) ([]*kgo.Record, error) {
	of.Landed = map[int32]string{}
	for p, r := range b.landed {
		of.Landed[p] = writeRanges([]click.OffsetRange{r})
	}
	var all []*kgo.Record
	for _, partition := range slices.Sorted(maps.Keys(b.records)) {
		for _, source := range slices.Sorted(maps.Keys(b.records[partition])) {
			for part := range slices.Chunk(ranges(b.records[partition][source]), rangesAtOnce) {
				of.Records = map[int32]string{source: writeRanges(part)}
				value, err := json.Marshal(of)
				if err != nil {
					return nil, err
				}
				all = append(all, &kgo.Record{Topic: topic, Partition: partition, Value: value, Headers: []kgo.RecordHeader{{Key: markerKey, Value: []byte("1")}}})
			}
		}
	}
	return all, nil
}
