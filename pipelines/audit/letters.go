package audit

import (
	"context"
	"errors"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
)

// letters is what the dead letter topic says of the records that are read, partition by partition. Dead letters
// come at least once, so their coordinates are a set.
type letters struct {
	late  []offsets // clicks that came too late
	other []offsets // records rejected for any other reason
}

// letters reads the dead letter topic to its end as it is now. A topic that is not there holds none.
func (s *source) letters(ctx context.Context, topic string) (*letters, error) {
	l := &letters{late: make([]offsets, len(s.partitions)), other: make([]offsets, len(s.partitions))}
	reading := kafka.Doing{Operation: "Read", Topic: topic, Flag: kafka.DeadLetterFlag}
	extent, err := kafka.Resolve(ctx, s.admin, topic, kafka.Instant{Word: settings.Earliest}, kafka.Instant{Word: settings.Latest})
	if err = s.connection.Explain(err, reading); errors.Is(err, kafka.ErrNoTopic) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	var partitions []partition
	for i, id := range extent.Partitions {
		partitions = append(partitions, partition{id: id, next: extent.Start[i], end: extent.End[i]})
	}
	return l, feed{connection: s.connection, doing: reading}.read(ctx, partitions, func(_ int, chunk []*kgo.Record) error {
		for _, rec := range chunk {
			if !rec.Attrs.IsControl() {
				s.file(l, rec)
			}
		}
		return nil
	})
}

// file adds a dead letter. Those of other topics, and of records that are not read, are left out.
func (s *source) file(l *letters, rec *kgo.Record) {
	var topic, id, offset, reason string
	for _, h := range rec.Headers {
		switch h.Key {
		case "dlq.topic":
			topic = string(h.Value)
		case "dlq.partition":
			id = string(h.Value)
		case "dlq.offset":
			offset = string(h.Value)
		case "dlq.reason":
			reason = string(h.Value)
		}
	}
	p, err := strconv.ParseInt(id, 10, 32)
	if topic != s.Topic || err != nil {
		return
	}
	o, err := strconv.ParseInt(offset, 10, 64)
	i := s.index(int32(p))
	if err != nil || i < 0 || o < s.partitions[i].begin || o >= s.partitions[i].end {
		return
	}
	if reason == string(click.TooLate) {
		l.late[i].add(o)
	} else {
		l.other[i].add(o)
	}
}

// offsets is a set of offsets: a bit for each, in blocks that are made where there is one. It takes an eighth of a
// byte for every offset of a partition at the most.
type offsets struct {
	blocks map[int64]*block
	asked  bool
	at     int64  // of the block that was asked for last
	last   *block // that block; nil where there is none
}

// block is the bits of 32,768 offsets.
type block [512]uint64

const blockBits = 15

func (s *offsets) add(o int64) {
	if s.blocks == nil {
		s.blocks = map[int64]*block{}
	}
	b := s.blocks[o>>blockBits]
	if b == nil {
		b = new(block)
		s.blocks[o>>blockBits] = b
	}
	b[o>>6&511] |= 1 << (o & 63)
	s.asked = false
}

func (s *offsets) has(o int64) bool {
	if len(s.blocks) == 0 {
		return false
	}
	if at := o >> blockBits; at != s.at || !s.asked {
		s.at, s.last, s.asked = at, s.blocks[at], true
	}
	return s.last != nil && s.last[o>>6&511]&(1<<(o&63)) != 0
}
