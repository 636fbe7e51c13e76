package monitor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/pipelines/vitals"
)

// offsets asks Kafka where partitions end, and where the group is.
type offsets struct {
	connection   kafka.Connection
	topic, group string
	client       *kgo.Client
	admin        *kadm.Client
	id           kadm.TopicID    // the topic's, when it was last looked at
	had          map[int32]int64 // the group's offset of each partition, then

	mu         sync.Mutex
	partitions []vitals.Partition // never changed, only replaced
	read       int64
}

func newOffsets(cfg Config) (*offsets, error) {
	client, err := cfg.Connection.Client()
	if err != nil {
		return nil, err
	}
	return &offsets{
		connection: cfg.Connection, topic: cfg.Topic, group: cfg.Group,
		client: client, admin: kadm.NewClient(client), had: map[int32]int64{},
	}, nil
}

func (*offsets) name() string            { return "kafka" }
func (*offsets) patience() time.Duration { return 10 * time.Second }
func (o *offsets) close()                { o.client.Close() }

func (o *offsets) add(v *vitals.Vitals) {
	o.mu.Lock()
	defer o.mu.Unlock()
	v.Partitions, v.Counters.Read = o.partitions, o.read
}

// look asks for the group's offsets before it asks for the ends: what is read in between makes the lag look larger, and
// not less than nothing.
func (o *offsets) look(ctx context.Context) error {
	topics, err := o.admin.ListTopics(ctx, o.topic)
	if err == nil {
		err = topics[o.topic].Err
	}
	if err != nil {
		return o.explain(err)
	}
	committed, err := o.admin.FetchOffsets(ctx, o.group)
	if err == nil {
		err = committed.Error()
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return o.connection.Explain(err, kafka.Doing{Operation: "Describe", Group: o.group})
	}
	ends, err := o.admin.ListCommittedOffsets(ctx, o.topic)
	if err != nil {
		return o.explain(err)
	}
	starts, err := o.starts(ctx, topics[o.topic].Partitions.Numbers(), committed[o.topic])
	if err != nil {
		return o.explain(err)
	}
	return o.take(topics[o.topic].ID, ends[o.topic], starts[o.topic], committed[o.topic])
}

func (o *offsets) explain(err error) error {
	return o.connection.Explain(err, kafka.Doing{Operation: "Describe", Topic: o.topic})
}

// starts asks where partitions start, if the group has no offset of some.
func (o *offsets) starts(ctx context.Context, partitions []int32, committed map[int32]kadm.OffsetResponse) (kadm.ListedOffsets, error) {
	if !slices.ContainsFunc(partitions, func(p int32) bool { c, ok := committed[p]; return !ok || c.At < 0 }) {
		return nil, nil
	}
	return o.admin.ListStartOffsets(ctx, o.topic)
}

// take takes in what Kafka answered. Of a partition whose end it does not know now, what was known before stays.
func (o *offsets) take(id kadm.TopicID, ends, starts map[int32]kadm.ListedOffset, committed map[int32]kadm.OffsetResponse) error {
	if id != o.id { // it was made anew: its offsets mean other records
		o.id = id
		clear(o.had)
	}
	known := map[int32]vitals.Partition{}
	for _, p := range o.partitions {
		known[p.Number] = p
	}
	var (
		all  = make([]vitals.Partition, 0, len(ends))
		read int64
		bad  error
	)
	for _, number := range slices.Sorted(maps.Keys(ends)) {
		end := ends[number]
		if end.Err != nil {
			bad = fmt.Errorf("topic %s partition %d: %w", o.topic, number, end.Err)
			if p, ok := known[number]; ok {
				all = append(all, p)
			}
			continue
		}
		p := vitals.Partition{Number: number, End: end.Offset, Committed: -1}
		if c, ok := committed[number]; ok && c.At >= 0 {
			p.Committed, p.Lag = c.At, max(0, end.Offset-c.At)
			p.Watermark, p.Idle = kafka.ParseStanding(c.Metadata)
			if had, ok := o.had[number]; ok {
				read += max(0, c.At-had) // it was set back where that is less than nothing
			}
			o.had[number] = c.At
		} else {
			delete(o.had, number)
			p.Lag = max(0, end.Offset-max(0, starts[number].Offset))
		}
		all = append(all, p)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.partitions, o.read = all, o.read+read
	return o.explain(bad)
}
