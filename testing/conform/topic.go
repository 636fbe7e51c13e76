package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/testing/oracle"
	"clickstream/transforms/click"
)

// topic is a case's topic, and what it is to come to.
type topic struct {
	name    string
	client  *kgo.Client
	encoder *encoder
	written int
	rejects map[oracle.Place]click.Reason // of the records that are to be dead letters
	values  map[oracle.Place]string       // theirs
}

// letters is the name of the topic's dead letters.
func (t *topic) letters() string { return t.name + "-dlq" }

// newTopic makes a topic of that name. Its records are kept, however old they say they are.
func (s *suite) newTopic(ctx context.Context, name string, g *golden) (*topic, error) {
	encoder, err := newEncoder(g.format, s.schemas)
	if err != nil {
		return nil, err
	}
	client, err := s.connection.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return nil, err
	}
	t := &topic{name: name, client: client, encoder: encoder, rejects: map[oracle.Place]click.Reason{}, values: map[oracle.Place]string{}}
	forEver := "-1"
	_, err = kadm.NewClient(client).CreateTopic(ctx, int32(g.partitions), -1, map[string]*string{"retention.ms": &forEver}, name)
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("make topic %s: %w", name, err)
	}
	return t, nil
}

// remove deletes the topic, its dead letters and its group.
func (t *topic) remove(ctx context.Context) error {
	defer t.client.Close()
	admin := kadm.NewClient(t.client)
	topics, err := admin.DeleteTopics(ctx, t.name, t.letters())
	if err != nil {
		return fmt.Errorf("remove topic %s: %w", t.name, err)
	}
	var failed []error
	for _, r := range topics.Sorted() {
		if r.Err != nil && !errors.Is(r.Err, kerr.UnknownTopicOrPartition) {
			failed = append(failed, fmt.Errorf("remove topic %s: %w", r.Topic, r.Err))
		}
	}
	_, _ = admin.DeleteGroup(ctx, t.name) // it may never have been made
	return errors.Join(failed...)
}

// write writes records, each partition's in their order, and takes note of those that are to be dead letters.
func (t *topic) write(ctx context.Context, records []record) error {
	out := make([]*kgo.Record, len(records))
	for i, r := range records {
		value, err := t.encoder.value(r, t.written)
		if err != nil {
			return err
		}
		t.written++
		out[i] = &kgo.Record{Topic: t.name, Partition: r.partition, Timestamp: r.time, Key: strconv.AppendInt(nil, int64(i%7), 10), Value: value}
	}
	if err := t.client.ProduceSync(ctx, out...).FirstErr(); err != nil {
		return fmt.Errorf("write to topic %s: %w", t.name, err)
	}
	for i, r := range records {
		if r.reason != "" {
			place := oracle.Place{Partition: out[i].Partition, Offset: out[i].Offset}
			t.rejects[place], t.values[place] = r.reason, string(out[i].Value)
		}
	}
	return nil
}
