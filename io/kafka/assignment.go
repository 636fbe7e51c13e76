package kafka

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Never is the end offset of a partition that is read for ever.
const Never int64 = math.MaxInt64

// Assignment is what one reader reads: some partitions of a topic, each from an offset to an offset.
// The slices run in parallel. It is serialized into the pipeline's graph.
type Assignment struct {
	Pipeline   string // the run that it belongs to: no other reader of the process shares its clients
	Topic      string
	TopicID    string // see Identity: where it is known, nothing is read of another topic of that name
	Partitions []int32
	Start      []int64   // the first offset that is read
	End        []int64   // the offset before which reading ends, or Never
	Until      int64     // ends become those of this time (milliseconds since the epoch) once it has come; 0: they stay
	Total      int       // partitions of the topic, to notice when there are more
	Consumed   []int64   // offsets before which records of final windows were dealt with by an earlier run
	Rejected   []Offsets // of records that an earlier run has rejected, whatever they look like now
}

// Offsets are some offsets of a partition, ascending.
type Offsets []int64

// Has tells whether o is one of them.
func (s Offsets) Has(o int64) bool {
	_, ok := slices.BinarySearch(s, o)
	return ok
}

// Extent is the offsets of a topic that a run reads, one entry a partition, in ascending order.
type Extent struct {
	Topic      string
	TopicID    string // see Assignment; whoever knows it sets it
	Partitions []int32
	Start, End []int64
	Until      int64     // see Assignment
	Consumed   []int64   // see Assignment
	Rejected   []Offsets // see Assignment
}

// Divide gives each of n readers its share of the partitions. No more readers are made than there are partitions.
func (e Extent) Divide(pipeline string, n int) []Assignment {
	shares := make([]Assignment, min(n, len(e.Partitions)))
	for i, p := range e.Partitions {
		a := &shares[i%len(shares)]
		a.Pipeline, a.Topic, a.TopicID, a.Until, a.Total = pipeline, e.Topic, e.TopicID, e.Until, len(e.Partitions)
		a.Partitions = append(a.Partitions, p)
		a.Start = append(a.Start, e.Start[i])
		a.End = append(a.End, e.End[i])
		a.Consumed = append(a.Consumed, e.Consumed[i])
		a.Rejected = append(a.Rejected, e.Rejected[i])
	}
	return shares
}

// Begin returns the start offsets by partition.
func (e Extent) Begin() map[int32]int64 {
	begin := make(map[int32]int64, len(e.Partitions))
	for i, p := range e.Partitions {
		begin[p] = e.Start[i]
	}
	return begin
}

// Bounded tells whether the whole extent has ends.
func (e Extent) Bounded() bool {
	for _, end := range e.End {
		if end == Never {
			return false
		}
	}
	return true
}

// Instant is a place in a topic: its earliest offsets, its latest, never, or those of a time.
type Instant struct {
	Word string // "earliest", "latest", "never", or empty for Time
	Time time.Time
}

// Resolve looks up the offsets from start to until, as they are now. Only what is committed counts: the end of
// a partition is its last stable offset, so that records of open transactions are neither skipped nor awaited.
func Resolve(ctx context.Context, admin *kadm.Client, topic string, start, until Instant) (Extent, error) {
	from, err := offsetsAt(ctx, admin, topic, start)
	if err != nil {
		return Extent{}, err
	}
	e := Extent{Topic: topic}
	for _, p := range slices.Sorted(maps.Keys(from[topic])) {
		e.Partitions = append(e.Partitions, p)
		e.Start = append(e.Start, from[topic][p].Offset)
		e.End = append(e.End, Never)
		e.Consumed = append(e.Consumed, 0)
		e.Rejected = append(e.Rejected, nil)
	}
	switch {
	case until.Word == "never":
		return e, nil
	case until.Word == "" && until.Time.After(time.Now()):
		e.Until = until.Time.UnixMilli()
		return e, nil
	}
	to, err := offsetsAt(ctx, admin, topic, until)
	if err != nil {
		return Extent{}, err
	}
	for i, p := range e.Partitions {
		o, ok := to.Lookup(topic, p)
		if !ok {
			return Extent{}, fmt.Errorf("topic %s: partition %d has no offset for --until; the topic changed while it was looked at, run again", topic, p)
		}
		e.End[i] = o.Offset
	}
	return e, nil
}

func offsetsAt(ctx context.Context, admin *kadm.Client, topic string, at Instant) (kadm.ListedOffsets, error) {
	var (
		listed kadm.ListedOffsets
		err    error
	)
	switch at.Word {
	case "earliest":
		listed, err = admin.ListStartOffsets(ctx, topic)
	case "latest":
		listed, err = admin.ListCommittedOffsets(ctx, topic)
	case "":
		listed, err = offsetsAfter(ctx, admin, topic, at.Time)
	default:
		return nil, fmt.Errorf("no offsets stand for %q", at.Word)
	}
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list the offsets of topic %s: %w", topic, err)
	}
	return listed, nil
}

// offsetsAfter lists each partition's first offset at or after t; where there is none, its last stable one.
//
// The ends are those of before it was asked for t: a record of that time, which comes between two answers, would
// otherwise lie before an end that was asked for afterwards, and be passed by.
func offsetsAfter(ctx context.Context, admin *kadm.Client, topic string, t time.Time) (kadm.ListedOffsets, error) {
	ends, err := admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	listed, err := admin.ListOffsetsAfterMilli(ctx, t.UnixMilli(), topic)
	if err != nil {
		return nil, err
	}
	for partition, o := range listed[topic] {
		// Records of open transactions, too, are past the end: they are not there yet.
		if end, ok := ends.Lookup(topic, partition); ok && o.Err == nil && o.Offset > end.Offset {
			o.Offset = end.Offset
			listed[topic][partition] = o
		}
	}
	return listed, nil
}
