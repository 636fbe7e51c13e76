// Package audit holds a table against the topic that it was counted from, and counts windows of it anew. It reads
// the topic by a loop of its own, without Beam: it shares with the pipeline what a valid click is, and what the
// table says of itself, and nothing else.
package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/io/registry"
	"clickstream/io/table"
	"clickstream/pipelines/settings"
)

// source is a table and the topic that it was counted from.
type source struct {
	*settings.Audit
	connection kafka.Connection
	client     *kgo.Client
	admin      *kadm.Client
	schemas    *registry.Registry // nil for JSON
	topicID    string             // empty where it is not known

	table      table.Reader
	of         table.Metadata
	state      table.State
	partitions []partition // ascending
}

// partition is the part of a partition that is read.
type partition struct {
	id         int32
	first      int64 // where the topic begins now
	begin      int64 // where the audit begins
	start, end int64 // what there is of it to read: start is past begin where records are gone
	next       int64 // up to where it was read
}

// open reaches the table, the registry and the cluster, and checks that they are of one another.
func open(ctx context.Context, a *settings.Audit) (_ *source, err error) {
	s := &source{Audit: a, connection: a.Kafka.Connection()}
	if s.table, err = table.View(ctx, a.Table); err != nil {
		return nil, err
	}
	if s.of, err = s.table.Metadata(ctx); err != nil {
		return nil, err
	}
	if s.of.Topic != a.Topic {
		return nil, fmt.Errorf("table %s was counted from topic %s, not %s; use --topic %s, or name another --table", a.Table, s.of.Topic, a.Topic, s.of.Topic)
	}
	// Before anything else is looked at: what is final then stays so.
	if s.state, err = s.table.State(ctx, a.AllowedLateness); err != nil {
		return nil, err
	}
	if a.Format == "avro" {
		if s.schemas, err = registry.New(registry.Settings{URL: a.Registry, RetryTimeout: a.Kafka.RetryTimeout}); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.schemas != nil {
		if err := s.schemas.Ping(ctx); err != nil {
			return nil, err
		}
	}
	if s.client, err = s.connection.Connect(ctx); err != nil {
		return nil, err
	}
	s.admin = kadm.NewClient(s.client)
	is, err := s.connection.Identify(ctx, s.admin, s.reading())
	if s.of.Cluster != "" && is.Cluster != "" && s.of.Cluster != is.Cluster {
		return nil, fmt.Errorf("table %s was counted from Kafka cluster %s, and --brokers are of %s; name the brokers of the first, or another --table", a.Table, s.of.Cluster, is.Cluster)
	}
	if err != nil {
		return nil, err
	}
	if !kafka.SameID(s.of.TopicID, is.Topic) {
		return nil, fmt.Errorf("table %s was counted from topic %s of id %s, which is of id %s now: the topic was deleted and made again, and the table's offsets mean other records in it; name another --table",
			a.Table, a.Topic, s.of.TopicID, is.Topic)
	}
	s.topicID = is.Topic
	return s, nil
}

func (s *source) close() {
	if s.schemas != nil {
		s.schemas.Close()
	}
	if s.client != nil {
		s.client.Close()
	}
}

// feed returns the topic as it is read.
func (s *source) feed() feed { return feed{s.connection, s.reading(), s.topicID} }

// reading is what is done with the topic, for errors.
func (s *source) reading() kafka.Doing { return kafka.Doing{Operation: "Read", Topic: s.Topic} }

func (s *source) explain(err error) error { return s.connection.Explain(err, s.reading()) }

// bound finds out which offsets are to be read: from the table's beginning or, if from is not zero, from where clicks
// of windows from then on may lie; to the topic's ends as they are now. The table's windows must have been listed
// before: whatever they were counted from is then below the ends.
func (s *source) bound(ctx context.Context, from time.Time) error {
	starts, err := s.admin.ListStartOffsets(ctx, s.Topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return s.explain(err)
	}
	at := kafka.Instant{Word: settings.Earliest}
	if !from.IsZero() {
		// A click lies no further ahead of its record's time than the clock skew.
		at = kafka.Instant{Time: from.Add(-s.ClockSkew)}
	}
	extent, err := kafka.Resolve(ctx, s.admin, s.Topic, at, kafka.Instant{Word: settings.Latest})
	if err != nil {
		return s.explain(err)
	}
	for i, id := range extent.Partitions {
		first, ok := starts.Lookup(s.Topic, id)
		if !ok {
			return fmt.Errorf("topic %s changed while it was looked at: partition %d is new; run again", s.Topic, id)
		}
		p := partition{id: id, first: first.Offset, end: extent.End[i]}
		switch begun, ok := s.state.Begun[id]; {
		case ok:
			p.begin = begun
		case s.state.Begun == nil: // nobody knows where the table began
			p.begin = first.Offset
		} // else the partition is younger than the table, and all of it counts
		if !from.IsZero() {
			p.begin = max(p.begin, extent.Start[i])
		}
		if reached := max(s.state.Begun[id], s.state.Consumed[id]); reached > p.end {
			return fmt.Errorf("topic %s partition %d ends at offset %d, and table %s was counted from it up to %d: its log was cut, or the topic was deleted and made again; the table cannot be held against it",
				s.Topic, id, p.end, s.Table, reached)
		}
		p.begin = min(p.begin, p.end)
		p.start = min(max(p.begin, first.Offset), p.end)
		p.next = p.start
		s.partitions = append(s.partitions, p)
	}
	return nil
}

// left returns how many offsets are to be read yet.
func (s *source) left() (n int64) {
	for _, p := range s.partitions {
		n += p.end - p.next
	}
	return n
}

// index returns the place of a partition among those that are read, or -1.
func (s *source) index(id int32) int {
	for i := range s.partitions {
		if s.partitions[i].id == id {
			return i
		}
	}
	return -1
}
