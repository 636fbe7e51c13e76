package kafka_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
)

// TestPositionIsPartOfTheTransaction moves a group on with what is written, or not at all.
func TestPositionIsPartOfTheTransaction(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		from, to, id := c.Topic(t, 2), c.Topic(t, 1), c.Name(t)
		connection := kafka.Connection{Brokers: c.Brokers}
		client := c.Client(t)
		admin := kadm.NewClient(client)
		is, err := connection.Identify(ctx, admin, kafka.Doing{Operation: "Read", Topic: from})
		require.NoError(t, err)
		position := func(owner string, first, second int64) kafka.Position {
			return kafka.Position{Group: id, Topic: from, TopicID: is.Topic, Note: owner, Next: map[int32]int64{0: first, 1: second}}
		}
		at := func() kafka.Position {
			p, err := kafka.FetchPosition(ctx, admin, id, from)
			require.NoError(t, err)
			p.TopicID = is.Topic // which the group does not know
			return p
		}
		open := func() *kafka.Transactor {
			tx, err := kafka.OpenTransactor(ctx, connection, id, nil, kgo.ManualPartitioner())
			require.NoError(t, err)
			t.Cleanup(tx.Close)
			return tx
		}
		assert.Equal(t, kafka.Position{Group: id, Topic: from, TopicID: is.Topic, Next: map[int32]int64{}}, at(), "of a group that nobody knows")
		require.NoError(t, kafka.CommitPosition(ctx, admin, position("first", 0, 7)))
		want := position("first", 0, 7)
		assert.Equal(t, want, at())

		first := open()
		require.NoError(t, first.CommitAt(ctx, position("first", 1, 8)))
		assert.Equal(t, want, at(), "nothing was written")
		for i := range int64(3) {
			require.NoError(t, first.Write(ctx, &kgo.Record{Topic: to, Value: []byte("x")}, nil))
			want = position("first", i, 8+i)
			require.NoError(t, first.CommitAt(ctx, want))
			assert.Equal(t, want, at())
		}
		require.NoError(t, first.Write(ctx, &kgo.Record{Topic: to, Value: []byte("lost")}, nil))
		require.NoError(t, first.Flush(ctx))
		require.NoError(t, kafka.Fence(ctx, connection, client, id+"-other", id))
		require.ErrorIs(t, first.CommitAt(ctx, position("first", 9, 9)), kafka.ErrFenced)
		assert.Equal(t, want, at(), "what was given up moves nothing")

		second := open()
		require.NoError(t, second.Write(ctx, &kgo.Record{Topic: to, Value: []byte("y")}, nil))
		require.NoError(t, second.CommitAt(ctx, position("second", 4, 12)))
		assert.Equal(t, position("second", 4, 12), at())
	})
}
