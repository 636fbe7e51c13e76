package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// DeadLetterFlag is the option that names the dead letter topic, for Doing.
const DeadLetterFlag = "--dead-letter-topic"

const (
	maxMessageBytes     = "max.message.bytes"
	defaultMessageBytes = 1048588  // Kafka's default of max.message.bytes
	deadLetterRoom      = 64 << 10 // for the headers that a dead letter has and its record had not
)

// EnsureDeadLetter makes the dead letter topic where it is missing: with the source's partitions and
// replication factor, and room for the source's largest record and a dead letter's headers. It tells
// whether it made it. Where the topic may not be made, the error holds the command that makes it.
func (c Connection) EnsureDeadLetter(ctx context.Context, cl *kgo.Client, source, deadLetter string) (created bool, err error) {
	adm := kadm.NewClient(cl)
	src, err := c.describe(ctx, adm, source)
	if err != nil {
		return false, err
	}
	want := Topic{
		Name: deadLetter, Partitions: len(src.Partitions), ReplicationFactor: src.Partitions.NumReplicas(),
		Config: map[string]string{maxMessageBytes: strconv.Itoa(c.largest(ctx, adm, source) + deadLetterRoom)},
	}
	switch _, err := c.describe(ctx, adm, deadLetter); {
	case err == nil:
		c.warnIfNarrow(ctx, adm, want)
		return false, nil
	case errors.Is(err, ErrDenied): // brokers do not tell who may not see it whether it is there
		return false, fmt.Errorf("the dead letter topic %s cannot be used: %w; where it does not exist, have it made with: %s",
			deadLetter, c.Explain(kerr.TopicAuthorizationFailed, Doing{Operation: "Write", Topic: deadLetter}), c.createCommand(want))
	case !errors.Is(err, ErrNoTopic):
		return false, err
	}
	created = true
	switch err := c.create(ctx, adm, want, false); {
	case errors.Is(err, kerr.TopicAlreadyExists): // somebody else made it just now, with as many partitions as they liked
		created, want.Partitions = false, 1
	case errors.Is(err, ErrUnreachable), ctx.Err() != nil:
		return false, err
	case err != nil:
		return false, fmt.Errorf("the dead letter topic %s does not exist and cannot be made (%w); have it made with: %s", deadLetter, withoutWayOut(err), c.createCommand(want))
	}
	return created, c.settled(ctx, adm, want)
}

// MaxMessageBytes returns the size of the largest batch of records that a topic takes, or Kafka's default of it
// where that may not be asked.
func (c Connection) MaxMessageBytes(ctx context.Context, cl *kgo.Client, topic string) int32 {
	return int32(min(c.largest(ctx, kadm.NewClient(cl), topic), math.MaxInt32)) //nolint:gosec // it is bounded
}

// Compacted tells whether a topic's records make way for later ones of their keys. Of a topic that may not be asked it is
// false.
func (c Connection) Compacted(ctx context.Context, cl *kgo.Client, topic string) bool {
	config, err := c.topicConfig(ctx, kadm.NewClient(cl), topic)
	return err == nil && strings.Contains(config["cleanup.policy"], "compact")
}

// largest returns the size of the largest batch of records that the source takes. Who may not ask gets
// Kafka's default: the permission is an extra one, and only needed here.
func (c Connection) largest(ctx context.Context, adm *kadm.Client, source string) int {
	config, err := c.topicConfig(ctx, adm, source)
	if err != nil {
		slog.Debug("taking the default of max.message.bytes", "topic", source, "error", err)
		return defaultMessageBytes
	}
	n, err := strconv.Atoi(config[maxMessageBytes])
	if err != nil {
		return defaultMessageBytes
	}
	return n
}

// warnIfNarrow warns of a dead letter topic that cannot take the source's largest records: the run would
// stop at the first of them.
func (c Connection) warnIfNarrow(ctx context.Context, adm *kadm.Client, want Topic) {
	config, err := c.topicConfig(ctx, adm, want.Name)
	if err != nil {
		return // it may not be asked: see largest
	}
	is, err := strconv.Atoi(config[maxMessageBytes])
	if err == nil && is < atoi(want.Config[maxMessageBytes])-deadLetterRoom {
		slog.Warn("the dead letter topic takes smaller records than the source; the run stops at a larger one that is rejected",
			"topic", want.Name, "max.message.bytes", is, "want", want.Config[maxMessageBytes],
			"way_out", fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --topic %s --add-config %s=%s",
				c.where(), want.Name, maxMessageBytes, want.Config[maxMessageBytes]))
	}
}

func (c Connection) createCommand(t Topic) string {
	return fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions %d --replication-factor %d --config %s=%s",
		c.where(), t.Name, t.Partitions, t.ReplicationFactor, maxMessageBytes, t.Config[maxMessageBytes])
}

// withoutWayOut leaves the ACL's command out of a missing permission, as another way out follows.
func withoutWayOut(err error) error {
	if f := (*fault)(nil); errors.As(err, &f) && f.short != "" {
		return &fault{line: f.short, kind: f.kind, err: f.err}
	}
	return err
}
