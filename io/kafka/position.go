package kafka

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Position is how far a consumer group has come in a topic. The group is nobody's but a pipeline's: it has no members.
type Position struct {
	Group   string
	Topic   string
	TopicID string          // see Identity; empty where brokers have none
	Next    map[int32]int64 // by partition
	Note    string          // the metadata of the offsets
}

// FetchPosition returns how far a group has come in a topic, once no transaction is open that might move it. Partitions
// of which it has read nothing are not named. The note is that of the least partition.
func FetchPosition(ctx context.Context, admin *kadm.Client, group, topic string) (Position, error) {
	p := Position{Group: group, Topic: topic, Next: map[int32]int64{}}
	var has kadm.OffsetResponses
	err := whileCoordinatorIsAway(ctx, func() (err error) {
		has, err = admin.FetchOffsets(kadm.RequireStable(ctx), group)
		if err == nil {
			err = has.Error()
		}
		return err
	})
	if errors.Is(err, kerr.GroupIDNotFound) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("look up the offsets of group %s: %w", group, err)
	}
	for _, partition := range slices.Sorted(maps.Keys(has[topic])) {
		o := has[topic][partition]
		if o.At < 0 {
			continue
		}
		if len(p.Next) == 0 {
			p.Note = o.Metadata
		}
		p.Next[partition] = o.At
	}
	return p, nil
}

// CommitPosition makes p known, outside of any transaction.
func CommitPosition(ctx context.Context, admin *kadm.Client, p Position) error {
	offsets := kadm.Offsets{}
	for partition, next := range p.Next {
		offsets.Add(kadm.Offset{Topic: p.Topic, Partition: partition, At: next, LeaderEpoch: -1, Metadata: p.Note})
	}
	if err := commitOffsets(ctx, admin, p.Group, offsets); err != nil {
		return fmt.Errorf("commit offsets of topic %s for group %s: %w", p.Topic, p.Group, err)
	}
	return nil
}

// Fence ends the producers of some transactional ids: what they have open is given up, and they fail by ErrFenced from
// then on.
func Fence(ctx context.Context, c Connection, client *kgo.Client, ids ...string) error {
	for _, id := range ids {
		err := whileCoordinatorIsAway(ctx, func() error {
			req := kmsg.NewPtrInitProducerIDRequest()
			req.TransactionalID = &id
			req.TransactionTimeoutMillis = int32(TransactionTimeout.Milliseconds())
			resp, err := req.RequestWith(ctx, client)
			if err != nil {
				return err
			}
			return kerr.ErrorForCode(resp.ErrorCode)
		})
		if err != nil {
			return c.explainTransaction(err, id, "")
		}
	}
	return nil
}

// advance makes a position part of the transaction that is open. The client does so for consumers that are members of
// the group, which a pipeline's readers are not.
func (t *Transactor) advance(ctx context.Context, p Position) error {
	id, epoch, err := t.client.ProducerID(ctx)
	if err != nil {
		return err
	}
	err = whileCoordinatorIsAway(ctx, func() error {
		add := kmsg.NewPtrAddOffsetsToTxnRequest()
		add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = t.id, id, epoch, p.Group
		resp, err := add.RequestWith(ctx, t.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	if err != nil {
		return t.explainGroup(err, p)
	}
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.ProducerID, commit.ProducerEpoch, commit.Group = t.id, id, epoch, p.Group
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic = p.Topic
	if raw, err := base64.RawURLEncoding.DecodeString(p.TopicID); err != nil || copy(topic.TopicID[:], raw) != len(raw) {
		return fmt.Errorf("topic %s has an id that is none: %q", p.Topic, p.TopicID)
	}
	for partition, next := range p.Next {
		at := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		at.Partition, at.Offset, at.Metadata = partition, next, &p.Note
		topic.Partitions = append(topic.Partitions, at)
	}
	commit.Topics = append(commit.Topics, topic)
	err = whileCoordinatorIsAway(ctx, func() error {
		resp, err := commit.RequestWith(ctx, t.client)
		if err != nil {
			return err
		}
		for _, topic := range resp.Topics {
			for _, partition := range topic.Partitions {
				if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return t.explainGroup(err, p)
}

// Position is FetchPosition, by the connections of t.
func (t *Transactor) Position(ctx context.Context, group, topic string) (Position, error) {
	p, err := FetchPosition(ctx, kadm.NewClient(t.client), group, topic)
	return p, t.connection.Explain(err, Doing{Operation: "Read", Group: group, Topic: topic})
}

// explainGroup is explain, for what may be the group's.
func (t *Transactor) explainGroup(err error, p Position) error {
	if errors.Is(err, kerr.GroupAuthorizationFailed) || errors.Is(err, kerr.TopicAuthorizationFailed) {
		return t.connection.Explain(err, Doing{Operation: "Read", Group: p.Group, Topic: p.Topic})
	}
	return t.explain(err, p.Topic)
}
