package monitor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"clickstream/io/kafka"
	"clickstream/pipelines/vitals"
	"clickstream/testing/kafkatest"
)

// lagging is a topic, and a group that reads it, of which the test knows the lag by what it did itself.
type lagging struct {
	*kafkatest.Cluster
	t            *testing.T
	topic, group string
	client       *kgo.Client
	partitions   []lane
}

// lane is what was done to a partition: begun before it is asked for, and done once it is answered.
type lane struct{ sent, stored, asked, committed atomic.Int64 }

func newLagging(t *testing.T, c *kafkatest.Cluster, partitions int32) *lagging {
	l := &lagging{Cluster: c, t: t, topic: c.Topic(t, partitions), group: c.Name(t), client: c.Client(t)}
	l.partitions = make([]lane, partitions)
	return l
}

func (l *lagging) config() Config {
	return Config{Connection: kafka.Connection{Brokers: l.Brokers}, Topic: l.topic, Group: l.group, Interval: 50 * time.Millisecond}
}

// write puts n records into a partition.
func (l *lagging) write(ctx context.Context, partition, n int) error {
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: l.topic, Partition: int32(partition), Value: []byte("x")}
	}
	l.partitions[partition].sent.Add(int64(n))
	err := l.client.ProduceSync(ctx, records...).FirstErr()
	if err == nil {
		l.partitions[partition].stored.Add(int64(n))
	}
	return err
}

// read has the group read n records of a partition, or go back by as many.
func (l *lagging) read(ctx context.Context, partition, n int, metadata string) error {
	lane := &l.partitions[partition]
	to := lane.committed.Load() + int64(n)
	lane.asked.Store(to)
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = l.group, -1
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = l.topic
	at := kmsg.NewOffsetCommitRequestTopicPartition()
	at.Partition, at.Offset, at.Metadata = int32(partition), to, &metadata
	topic.Partitions = append(topic.Partitions, at)
	req.Topics = append(req.Topics, topic)
	topics, err := kadm.NewClient(l.client).ListTopics(ctx, l.topic) // newer brokers want the topic's id
	if err != nil {
		return err
	}
	req.Topics[0].TopicID = topics[l.topic].ID
	for {
		resp, err := req.RequestWith(ctx, l.client)
		if err != nil {
			return err
		}
		switch code := resp.Topics[0].Partitions[0].ErrorCode; code {
		case 0:
			lane.committed.Store(to)
			return nil
		case 14, 15, 16: // the first group of a broker's life waits for its coordinator
		default:
			return fmt.Errorf("the broker answers a commit with %d", code)
		}
	}
}

// lag counts the records that the group has not read by fetching them.
func (l *lagging) lag() (of []int64, total int64) {
	of = make([]int64, len(l.partitions))
	for _, r := range l.Read(l.t, l.topic) {
		if r.Offset >= l.partitions[r.Partition].committed.Load() {
			of[r.Partition]++
			total++
		}
	}
	return of, total
}

// assertLag holds what offsets tells against the records that there are.
func (l *lagging) assertLag(o *offsets) {
	l.t.Helper()
	require.NoError(l.t, o.look(l.t.Context()))
	want, total := l.lag()
	v := vitalsOf(o)
	require.Len(l.t, v.Partitions, len(want))
	for i, p := range v.Partitions {
		assert.EqualValues(l.t, i, p.Number)
		assert.Equal(l.t, want[i], p.Lag, "partition %d", i)
	}
	lag, known := v.Lag()
	assert.True(l.t, known)
	assert.Equal(l.t, total, lag)
}

func vitalsOf(s source) vitals.Vitals {
	var v vitals.Vitals
	s.add(&v)
	return v
}

func open(t *testing.T, cfg Config) *offsets {
	t.Helper()
	o, err := newOffsets(cfg)
	require.NoError(t, err)
	t.Cleanup(o.close)
	return o
}

// TestLagIsThatOfTheRecords follows a group from its birth through a stall to its end.
func TestLagIsThatOfTheRecords(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		l := newLagging(t, c, 3)
		ctx := t.Context()
		o := open(t, l.config())
		require.EventuallyWithT(t, func(t *assert.CollectT) { // a broker's first group waits for its coordinator
			assert.NoError(t, o.look(ctx))
		}, 30*time.Second, 50*time.Millisecond)
		lag, known := (&vitals.Vitals{Partitions: vitalsOf(o).Partitions}).Lag()
		assert.True(t, known, "of an empty topic, without a group")
		assert.Zero(t, lag)

		require.NoError(t, l.write(ctx, 0, 100))
		require.NoError(t, l.write(ctx, 1, 30))
		l.assertLag(o)
		assert.EqualValues(t, -1, vitalsOf(o).Partitions[0].Committed)
		for p := range 3 {
			require.NoError(t, l.read(ctx, p, 0, ""))
		}
		l.assertLag(o)
		require.NoError(t, l.read(ctx, 0, 60, "watermark=2026-03-01T12:00:00.250Z"))
		require.NoError(t, l.read(ctx, 1, 30, "watermark=2026-03-01T12:00:01.000Z idle"))
		require.NoError(t, l.read(ctx, 2, 0, "somebody else's words"))
		l.assertLag(o)
		v := vitalsOf(o)
		assert.Equal(t, time.Date(2026, 3, 1, 12, 0, 0, 250_000_000, time.UTC), v.Partitions[0].Watermark)
		assert.False(t, v.Partitions[0].Idle)
		assert.True(t, v.Partitions[1].Idle)
		assert.True(t, v.Partitions[2].Watermark.IsZero())
		assert.EqualValues(t, 90, v.Counters.Read, "by the growth of the group's offsets")

		for range 3 { // it stalls
			require.NoError(t, l.write(ctx, 0, 50))
			l.assertLag(o)
		}
		assert.EqualValues(t, 90, vitalsOf(o).Counters.Read)
		require.NoError(t, l.read(ctx, 0, 190, "")) // and goes on to the end
		l.assertLag(o)
		assert.EqualValues(t, 280, vitalsOf(o).Counters.Read)

		require.NoError(t, l.read(ctx, 0, -250, "")) // it is set back
		l.assertLag(o)
		assert.EqualValues(t, 280, vitalsOf(o).Counters.Read, "which is not less than was read")
		require.NoError(t, l.read(ctx, 0, 250, ""))
		l.assertLag(o)
		assert.EqualValues(t, 530, vitalsOf(o).Counters.Read, "and reads them again")

		again := open(t, l.config())
		l.assertLag(again)
		assert.Zero(t, vitalsOf(again).Counters.Read, "what was read before is not counted")
	})
}

// TestLagUnderLoad writes and reads at once, and holds each look against what was done before it began, and by its end.
func TestLagUnderLoad(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		l := newLagging(t, c, 4)
		for p := range l.partitions {
			require.NoError(t, l.write(t.Context(), p, 10))
			require.NoError(t, l.read(t.Context(), p, 0, ""))
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var load sync.WaitGroup
		for p := range l.partitions {
			load.Go(func() {
				for ctx.Err() == nil {
					assert.NoError(t, orStopped(ctx, l.write(ctx, p, 1+rand.IntN(50))))
				}
			})
			load.Go(func() {
				for lane := &l.partitions[p]; ctx.Err() == nil; {
					n := min(lane.stored.Load()-lane.committed.Load(), int64(rand.IntN(60)))
					assert.NoError(t, orStopped(ctx, l.read(ctx, p, int(n), "")))
				}
			})
		}
		o := open(t, l.config())
		var read int64
		for range 60 {
			type bound struct{ stored, committed int64 }
			before := make([]bound, len(l.partitions))
			for p := range l.partitions {
				before[p] = bound{l.partitions[p].stored.Load(), l.partitions[p].committed.Load()}
			}
			require.NoError(t, o.look(t.Context()))
			v := vitalsOf(o)
			for p := range l.partitions {
				least := max(0, before[p].stored-l.partitions[p].asked.Load())
				most := l.partitions[p].sent.Load() - before[p].committed
				assert.GreaterOrEqual(t, v.Partitions[p].Lag, least)
				assert.LessOrEqual(t, v.Partitions[p].Lag, most)
			}
			assert.GreaterOrEqual(t, v.Counters.Read, read)
			read = v.Counters.Read
		}
		stop()
		load.Wait()
		for p := range l.partitions { // what was cut off may have been done all the same
			require.NoError(t, l.read(t.Context(), p, 0, ""))
		}
		l.assertLag(o)
		assert.Positive(t, read)
	})
}

// orStopped leaves out errors of what was ended.
func orStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func TestLagOfAPartitionThatNobodyReads(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		l := newLagging(t, c, 1)
		ctx := t.Context()
		require.NoError(t, l.write(ctx, 0, 10))
		require.NoError(t, l.write(ctx, 0, 10))
		deleted, err := kadm.NewClient(l.client).DeleteRecords(ctx, kadm.Offsets{l.topic: {0: {Topic: l.topic, Partition: 0, At: 10}}})
		require.NoError(t, err)
		require.NoError(t, deleted.Error())
		l.assertLag(open(t, l.config()))
	})
}

func TestATopicThatIsMadeAnew(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		l := newLagging(t, c, 1)
		ctx := t.Context()
		require.NoError(t, l.write(ctx, 0, 100))
		require.NoError(t, l.read(ctx, 0, 0, ""))
		o := open(t, l.config())
		l.assertLag(o)
		require.NoError(t, l.read(ctx, 0, 100, ""))
		l.assertLag(o)
		c.MakeAgain(t, l.topic, 2)
		l.client = c.Client(t) // the other one speaks of the topic that was
		l.partitions = make([]lane, 2)
		require.EventuallyWithT(t, func(t *assert.CollectT) {
			require.NoError(t, o.look(ctx))
			assert.Len(t, vitalsOf(o).Partitions, 2)
		}, 30*time.Second, 10*time.Millisecond)
		for p := range 2 {
			require.NoError(t, l.read(ctx, p, 0, ""))
		}
		require.NoError(t, l.write(ctx, 1, 7))
		require.EventuallyWithT(t, func(t *assert.CollectT) {
			require.NoError(t, o.look(ctx))
			assert.EqualValues(t, 0, vitalsOf(o).Partitions[0].Committed)
			assert.EqualValues(t, 7, vitalsOf(o).Partitions[1].Lag)
		}, 30*time.Second, 10*time.Millisecond)
		assert.EqualValues(t, 100, vitalsOf(o).Counters.Read, "the offsets of the new one are other records")
		require.NoError(t, l.read(ctx, 1, 5, ""))
		l.assertLag(o)
		assert.EqualValues(t, 105, vitalsOf(o).Counters.Read)
	})
}

func TestATopicThatIsNotThere(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		o := open(t, Config{Connection: kafka.Connection{Brokers: c.Brokers}, Topic: "nowhere", Group: c.Name(t)})
		err := o.look(t.Context())
		require.ErrorIs(t, err, kafka.ErrNoTopic)
		assert.NotContains(t, err.Error(), "\n")
		_, known := (&vitals.Vitals{Partitions: vitalsOf(o).Partitions}).Lag()
		assert.False(t, known)
	})
}
