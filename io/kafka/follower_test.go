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

var then = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func followed() kafka.Assignment {
	return kafka.Assignment{
		Topic: "clicks", Partitions: []int32{1, 4}, Start: []int64{5, 0}, End: []int64{kafka.Never, kafka.Never}, Total: 5,
		Consumed: []int64{9, 0}, Rejected: []kafka.Offsets{{7}, nil},
	}
}

func offsets(first ...int64) []*kgo.Record {
	var all []*kgo.Record
	for _, o := range first {
		all = append(all, &kgo.Record{Offset: o})
	}
	return all
}

func TestFollowerHandsOutChunksAsAReaderDoes(t *testing.T) {
	f := kafka.NewFollower(kafka.ReaderSettings{}, followed(), then)
	c, err := f.Chunk(1, offsets(3, 4, 6, 7))
	require.NoError(t, err)
	assert.Equal(t, kafka.Chunk{Index: 0, Partition: 1, First: 5, Next: 8, Consumed: 9, Rejected: kafka.Offsets{7}, Records: offsets(6, 7)}, c)
	c, err = f.Chunk(1, offsets(10))
	require.NoError(t, err)
	assert.EqualValues(t, 8, c.First, "what is missing between was none of ours, and is covered")
	assert.Equal(t, []int64{11, 0}, f.Next())

	_, err = f.Chunk(1, offsets(10, 11))
	require.EqualError(t, err, "topic clicks partition 1: offset 10 came after 10, and records have to come once, in their order")
	_, err = f.Chunk(2, offsets(0))
	require.ErrorContains(t, err, "topic clicks partition 2 is not of those that this reader was given, [1 4]")
	assert.Equal(t, []int64{11, 0}, f.Next())
}

func TestFollowerGoesOnFromItsState(t *testing.T) {
	s := kafka.ReaderSettings{WatermarkDelay: time.Second, IdleTimeout: time.Minute}
	f := kafka.NewFollower(s, followed(), then)
	_, err := f.Chunk(1, offsets(5))
	require.NoError(t, err)
	f.Watermark.Observe(0, then.UnixMilli(), then)
	f.Watermark.Observe(1, then.Add(time.Minute).UnixMilli(), then.Add(-time.Hour))
	f.Watermark.CaughtUp(1, then)

	again, err := kafka.ResumeFollower(s, followed(), f.State(), then.Add(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, f.State(), again.State())
	assert.Equal(t, []int64{6, 0}, again.Next())
	assert.True(t, again.Watermark.Idle(1, then), "when it was active and caught up is kept")
	assert.False(t, again.Watermark.Idle(0, then))
	assert.Equal(t, then.Add(-time.Second).UnixMilli(), again.Watermark.Advance(then))

	again, err = kafka.ResumeFollower(s, followed(), again.State(), then)
	require.NoError(t, err)
	assert.Equal(t, then.Add(-time.Second).UnixMilli(), again.Watermark.Reported())
}

func TestFollowerRefusesAnotherState(t *testing.T) {
	f := kafka.NewFollower(kafka.ReaderSettings{}, followed(), then)
	state := f.State()
	more := followed()
	more.Partitions, more.Start = []int32{1, 4, 6}, []int64{0, 0, 0}
	_, err := kafka.ResumeFollower(kafka.ReaderSettings{}, more, state, then)
	require.ErrorContains(t, err, "state of another assignment")
	for n := range len(state) {
		_, err := kafka.ResumeFollower(kafka.ReaderSettings{}, followed(), state[:n], then)
		require.Error(t, err, "cut to %d of %d", n, len(state))
	}
	_, err = kafka.ResumeFollower(kafka.ReaderSettings{}, followed(), append(state, 0), then)
	require.Error(t, err)
	state[0]++
	_, err = kafka.ResumeFollower(kafka.ReaderSettings{}, followed(), state, then)
	require.Error(t, err)
}

// TestFollowerSeesThatNothingIsLeft follows a partition whose last offsets are the marks of transactions, one of them
// aborted, which whoever fetches the records does not see.
func TestFollowerSeesThatNothingIsLeft(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 1)
		producer := c.Client(t, kgo.TransactionalID(c.Name(t)), kgo.DefaultProduceTopic(topic))
		for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
			require.NoError(t, producer.BeginTransaction())
			require.NoError(t, producer.ProduceSync(t.Context(), &kgo.Record{Value: []byte("a click")}).FirstErr())
			c.EndTransaction(t, producer, topic, end)
		}
		a := resolve(t, c, topic, earliest, never)
		s := settings(c)
		s.Group, s.IdleTimeout = c.Name(t), time.Millisecond
		client, err := kafka.OpenFollowerClient(s, a)
		require.NoError(t, err)
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()

		f := kafka.NewFollower(s, a, time.Now().Add(-time.Hour))
		require.Eventually(t, func() bool {
			require.NoError(t, client.Tend(ctx, f))
			return f.Lag() == 4
		}, 20*time.Second, 50*time.Millisecond, "a busy broker may not say at once where the partition ends")
		assert.False(t, f.Watermark.Idle(0, time.Now()), "the first record is left")
		_, err = f.Chunk(0, offsets(0))
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			require.NoError(t, client.Tend(ctx, f))
			return f.Watermark.Idle(0, time.Now())
		}, 20*time.Second, 50*time.Millisecond, "nothing but marks and what was aborted is left")
		assert.Equal(t, []int64{4}, f.Next())
		assert.Zero(t, f.Lag())
		require.Eventually(t, func() bool {
			require.NoError(t, client.Tend(ctx, f))
			at, err := kadm.NewClient(c.Client(t)).FetchOffsets(ctx, s.Group)
			o, ok := at.Lookup(topic, 0)
			return err == nil && ok && o.At == 4
		}, 20*time.Second, 200*time.Millisecond, "lag tools are told")
	})
}

func TestFollowerFailsWhenItsTopicIsAnotherOne(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 1)
		a := resolve(t, c, topic, earliest, never)
		a.TopicID = "AAAAAAAAAAAAAAAAAAAAAQ"
		client, err := kafka.OpenFollowerClient(settings(c), a)
		require.NoError(t, err)
		defer client.Close()
		require.ErrorContains(t, client.Tend(t.Context(), kafka.NewFollower(settings(c), a, then)), "was deleted and made again while it was read")
	})
}
