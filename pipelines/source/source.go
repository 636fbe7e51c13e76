// Package source looks up what a pipeline is to read, before it begins, and finds out early what is not there: the
// registry, the cluster, the topics.
package source

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/io/registry"
	"clickstream/io/version"
	"clickstream/pipelines/settings"
	"clickstream/transforms/deadletter"
)

// settling is how long a topic may be unknown to some broker after another one has made it.
const settling = 2 * time.Second

// Source is what a pipeline reads.
type Source struct {
	Connection    kafka.Connection
	Client        *kgo.Client
	Admin         *kadm.Client
	Registry      registry.Settings
	Extent        kafka.Extent // from the start that the settings name
	Cluster       string       // id; empty where the brokers do not tell
	maxDeadLetter int32
	in            *settings.Input
}

// Open looks up what in says, from start on. It makes the dead letter topic where it is missing; a dry run makes nothing.
// Close ends its connections.
func Open(ctx context.Context, in *settings.Input, start settings.Moment, dryRun bool) (*Source, error) {
	s := &Source{Connection: in.Kafka.Connection(), Registry: registry.Settings{URL: in.Registry, RetryTimeout: in.Kafka.RetryTimeout}, in: in}
	if in.Registry != "" && in.Format == "avro" {
		if err := Ping(ctx, s.Registry); err != nil {
			return nil, err
		}
	}
	var err error
	if s.Client, err = s.Connection.Connect(ctx); err != nil {
		return nil, err
	}
	s.Admin = kadm.NewClient(s.Client)
	err = s.lookUp(ctx, start, dryRun)
	for until := time.Now().Add(settling); errors.Is(err, kafka.ErrNoTopic) && time.Now().Before(until); {
		select {
		case <-ctx.Done():
			s.Close()
			return nil, err
		case <-time.After(200 * time.Millisecond):
		}
		s.Client.PurgeTopicsFromClient(in.Topic) // which remembers that there was none
		err = s.lookUp(ctx, start, dryRun)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close ends the connections.
func (s *Source) Close() { s.Client.Close() }

// DeadLetters returns where a pipeline's rejects go.
func (s *Source) DeadLetters(pipeline string) deadletter.Config {
	return deadletter.Config{Pipeline: pipeline, Connection: s.Connection, Topic: s.in.DeadLetterTopic, MaxBytes: s.maxDeadLetter, Version: version.Own()}
}

// Ping finds out whether a registry is there.
func Ping(ctx context.Context, s registry.Settings) error {
	r, err := registry.New(s)
	if err != nil {
		return err
	}
	defer r.Close()
	return r.Ping(ctx)
}

func (s *Source) lookUp(ctx context.Context, start settings.Moment, dryRun bool) error {
	c, topic := s.Connection, s.in.Topic
	// Before its offsets: should the topic be made again in between, the reader finds it to be another one.
	is, err := c.Identify(ctx, s.Admin, kafka.Doing{Operation: "Read", Topic: topic})
	if err != nil {
		return err
	}
	s.Cluster = is.Cluster
	s.Extent, err = kafka.Resolve(ctx, s.Admin, topic, kafka.Instant(start), kafka.Instant(s.in.Until))
	if err != nil {
		return c.Explain(err, kafka.Doing{Operation: "Read", Topic: topic})
	}
	s.Extent.TopicID = is.Topic
	if dryRun {
		return nil
	}
	made, err := c.EnsureDeadLetter(ctx, s.Client, topic, s.in.DeadLetterTopic)
	if err != nil {
		return err
	}
	if made {
		slog.Info("the dead letter topic did not exist and was made", "topic", s.in.DeadLetterTopic, "partitions", len(s.Extent.Partitions))
	}
	s.maxDeadLetter = c.MaxMessageBytes(ctx, s.Client, s.in.DeadLetterTopic)
	return nil
}

// CheckGroup fails if offsets may not be committed for a group. Where it has none, it gets those of the start.
func (s *Source) CheckGroup(ctx context.Context, group string) error {
	err := kafka.CheckGroup(ctx, s.Admin, group, s.Extent.Topic, s.Extent.Partitions, s.Extent.Start)
	return s.Connection.Explain(err, kafka.Doing{Operation: "Read", Group: group, Topic: s.Extent.Topic})
}
