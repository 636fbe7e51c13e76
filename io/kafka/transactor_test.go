package kafka_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
)

// TestTransactorsTakeOver begins a producer while another one of its id has a transaction open: what is in that is gone,
// and the other one fails.
func TestTransactorsTakeOver(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		topic, id := c.Topic(t, 2), c.Name(t)
		connection := kafka.Connection{Brokers: c.Brokers}
		open := func() *kafka.Transactor {
			tx, err := kafka.OpenTransactor(ctx, connection, id, nil, kgo.ManualPartitioner())
			require.NoError(t, err)
			t.Cleanup(tx.Close)
			return tx
		}
		first := open()
		landed := make(chan int64, 1)
		require.NoError(t, first.Write(ctx, &kgo.Record{Topic: topic, Partition: 1, Value: []byte("one")}, func(r *kgo.Record) { landed <- r.Offset }))
		require.NoError(t, first.Commit(ctx))
		assert.Zero(t, <-landed)
		require.NoError(t, first.Commit(ctx), "nothing is open")
		require.NoError(t, first.Write(ctx, &kgo.Record{Topic: topic, Partition: 1, Value: []byte("lost")}, nil))
		require.NoError(t, first.Flush(ctx))

		second := open()
		require.NoError(t, second.Write(ctx, &kgo.Record{Topic: topic, Partition: 1, Value: []byte("two")}, nil))
		require.NoError(t, second.Commit(ctx))
		require.ErrorIs(t, first.Commit(ctx), kafka.ErrFenced)
		require.ErrorIs(t, first.Failed(), kafka.ErrFenced)
		require.NoError(t, second.Write(ctx, &kgo.Record{Topic: topic, Partition: 0, Value: []byte("three")}, nil))
		require.NoError(t, second.Commit(ctx))

		reader := c.Client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		seen := map[string]int32{}
		for len(seen) < 3 {
			fetches := reader.PollFetches(ctx)
			require.NoError(t, fetches.Err())
			fetches.EachRecord(func(r *kgo.Record) { seen[string(r.Value)] = r.Partition })
		}
		assert.Equal(t, map[string]int32{"one": 1, "two": 1, "three": 0}, seen)
	})
}
