package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

func commitOffsets(ctx context.Context, admin *kadm.Client, group string, offsets kadm.Offsets) error {
	return whileCoordinatorIsAway(ctx, func() error {
		answers, err := admin.CommitOffsets(ctx, group, offsets)
		if err == nil {
			err = answers.Error()
		}
		return err
	})
}

// whileCoordinatorIsAway calls f again while the group, or the transaction, has no coordinator: the first group of a
// broker's life waits until the broker has made the topic of its offsets, and a broker that was started again until it
// has read it. So it does while the coordinator is busy with the end of an earlier transaction.
func whileCoordinatorIsAway(ctx context.Context, f func() error) error {
	for pause, end := 50*time.Millisecond, time.Now().Add(DefaultRetryTimeout); ; pause = min(2*pause, time.Second) {
		err := f()
		if err == nil || !kerr.IsRetriable(err) && !errors.Is(err, kerr.ConcurrentTransactions) || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// CheckGroup fails if offsets of the topic may not be committed for the group. To find out, it commits those that
// the group has again, and next where it has none.
func CheckGroup(ctx context.Context, admin *kadm.Client, group, topic string, partitions []int32, next []int64) error {
	var has kadm.OffsetResponses
	err := whileCoordinatorIsAway(ctx, func() (err error) {
		has, err = admin.FetchOffsets(ctx, group)
		return err
	})
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return fmt.Errorf("look up the offsets of group %s: %w", group, err)
	}
	next = slices.Clone(next)
	for i, p := range partitions {
		if o, ok := has.Lookup(topic, p); ok && o.Err == nil && o.At >= 0 {
			next[i] = o.At
		}
	}
	return CommitGroup(ctx, admin, group, topic, partitions, next)
}

// CommitGroup commits offsets of a topic for a consumer group, and waits for the answer.
func CommitGroup(ctx context.Context, admin *kadm.Client, group, topic string, partitions []int32, next []int64) error {
	offsets := kadm.Offsets{}
	for i, p := range partitions {
		offsets.AddOffset(topic, p, next[i], -1)
	}
	if err := commitOffsets(ctx, admin, group, offsets); err != nil {
		return fmt.Errorf("commit offsets of topic %s for group %s: %w", topic, group, err)
	}
	return nil
}
