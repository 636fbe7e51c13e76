package kafka_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
)

func settings(c *kafkatest.Cluster) kafka.ReaderSettings {
	return kafka.ReaderSettings{
		Connection:     kafka.Connection{Brokers: c.Brokers, RetryTimeout: 10 * time.Second},
		WatermarkDelay: time.Second, IdleTimeout: 100 * time.Millisecond,
	}
}

func resolve(t *testing.T, c *kafkatest.Cluster, topic string, start, until kafka.Instant) kafka.Assignment {
	t.Helper()
	e, err := kafka.Resolve(t.Context(), kadm.NewClient(c.Client(t)), topic, start, until)
	require.NoError(t, err)
	return e.Divide(t.Name(), 1)[0]
}

// open returns a reader of all of the topic, as it is now.
func open(t *testing.T, c *kafkatest.Cluster, a kafka.Assignment) *kafka.Reader {
	t.Helper()
	r, err := kafka.OpenReader(settings(c), a, a.Start, kafka.NoTime)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

// drain polls until r is done and returns the values read, by partition.
func drain(t *testing.T, r *kafka.Reader) map[int32][]string {
	t.Helper()
	got := map[int32][]string{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !r.Done() {
		require.NoError(t, ctx.Err(), "read so far: %v", got)
		require.NoError(t, r.Poll(ctx, func(c kafka.Chunk) error {
			assert.Less(t, c.First, c.Next)
			for _, rec := range c.Records {
				got[c.Partition] = append(got[c.Partition], string(rec.Value))
			}
			return nil
		}))
	}
	return got
}

var (
	earliest = kafka.Instant{Word: "earliest"}
	latest   = kafka.Instant{Word: "latest"}
	never    = kafka.Instant{Word: "never"}
)

func TestReaderReadsAllPartitionsToTheirEnds(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 3)
		for i := range 100 {
			c.Produce(t, topic, &kgo.Record{Partition: int32(i % 2), Value: fmt.Append(nil, i)})
		}
		a := resolve(t, c, topic, earliest, latest)
		c.Produce(t, topic, &kgo.Record{Partition: 0, Value: []byte("after the end")})

		got := drain(t, open(t, c, a))

		assert.Equal(t, []int32{0, 1}, slices.Sorted(maps.Keys(got)))
		for p, values := range got {
			require.Len(t, values, 50)
			for k, v := range values {
				assert.Equal(t, fmt.Sprint(2*k+int(p)), v)
			}
		}
	})
}

// TestChunksTellByWhenTheyWereWritten wants one time for all that was there at the first fetch, and later ones for what
// came since.
func TestChunksTellByWhenTheyWereWritten(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 1)
		produce := func() {
			large := make([]byte, 100<<10)
			_, _ = rand.NewChaCha8([32]byte{}).Read(large)
			for range 20 { // more than one fetch takes
				c.Produce(t, topic, &kgo.Record{Value: large})
			}
		}
		produce()
		r := open(t, c, resolve(t, c, topic, earliest, never))
		var at []time.Time
		read := func(to int64) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for r.Next()[0] < to {
				require.NoError(t, ctx.Err())
				before := time.Now()
				require.NoError(t, r.Poll(ctx, func(c kafka.Chunk) error {
					assert.False(t, c.Written.After(time.Now()))
					if len(at) == 0 {
						assert.False(t, c.Written.Before(before))
					}
					at = append(at, c.Written)
					return nil
				}))
			}
		}
		read(20)
		require.Greater(t, len(at), 1, "it came in one chunk")
		assert.Len(t, slices.Compact(slices.Clone(at)), 1)
		produced := time.Now()
		produce()
		read(40)
		assert.True(t, at[len(at)-1].After(produced), "what came since is of later")
	})
}

// TestReaderPassesTransactions reads committed records only, though markers and aborted records stand between
// them and at the end, where no record tells that it was reached.
func TestReaderPassesTransactions(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 1)
		producer := c.Client(t, kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic))
		for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
			require.NoError(t, producer.BeginTransaction())
			require.NoError(t, producer.ProduceSync(t.Context(), &kgo.Record{Value: fmt.Append(nil, i)}).FirstErr())
			c.EndTransaction(t, producer, topic, commit)
		}
		a := resolve(t, c, topic, earliest, latest)
		require.Equal(t, []int64{8}, a.End)
		assert.Equal(t, []string{"0", "2"}, drain(t, open(t, c, a))[0])
	})
}

func TestReaderStopsBeforeAnOpenTransaction(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 1)
		c.Produce(t, topic, &kgo.Record{Value: []byte("before")})
		producer := c.Client(t, kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic))
		require.NoError(t, producer.BeginTransaction())
		require.NoError(t, producer.ProduceSync(t.Context(), &kgo.Record{Value: []byte("open")}).FirstErr())

		assert.Equal(t, []string{"before"}, drain(t, open(t, c, resolve(t, c, topic, earliest, latest)))[0])
		require.NoError(t, producer.EndTransaction(t.Context(), kgo.TryAbort))
	})
}

func TestResolve(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 2)
		old := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		for i := range 5 {
			c.Produce(t, topic, &kgo.Record{Partition: 1, Timestamp: old.Add(time.Duration(i) * time.Minute)})
		}
		after := kafka.Instant{Time: old.Add(2 * time.Minute)}
		for name, want := range map[string]struct {
			start, until kafka.Instant
			from, to     []int64
		}{
			"earliest to latest": {earliest, latest, []int64{0, 0}, []int64{0, 5}},
			"latest to never":    {latest, never, []int64{0, 5}, []int64{kafka.Never, kafka.Never}},
			"a time to latest":   {after, latest, []int64{0, 2}, []int64{0, 5}},
			"earliest to a time": {earliest, after, []int64{0, 0}, []int64{0, 2}},
		} {
			t.Run(name, func(t *testing.T) {
				a := resolve(t, c, topic, want.start, want.until)
				assert.Equal(t, []int32{0, 1}, a.Partitions)
				assert.Equal(t, want.from, a.Start)
				assert.Equal(t, want.to, a.End)
				assert.Zero(t, a.Until)
			})
		}
		t.Run("a time to come", func(t *testing.T) {
			soon := time.Now().Add(time.Hour)
			a := resolve(t, c, topic, earliest, kafka.Instant{Time: soon})
			assert.Equal(t, soon.UnixMilli(), a.Until)
			assert.Equal(t, []int64{kafka.Never, kafka.Never}, a.End)
		})
	})
}

func TestReaderEndsAtATimeThatComes(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 2)
		until := time.Now().Add(time.Second).Truncate(time.Millisecond)
		c.Produce(t, topic,
			&kgo.Record{Partition: 0, Value: []byte("before"), Timestamp: until.Add(-time.Minute)},
			&kgo.Record{Partition: 0, Value: []byte("after"), Timestamp: until.Add(time.Minute)})
		r := open(t, c, resolve(t, c, topic, earliest, kafka.Instant{Time: until}))
		var got []string
		require.Eventually(t, func() bool {
			require.NoError(t, r.Poll(t.Context(), func(c kafka.Chunk) error {
				for _, rec := range c.Records {
					got = append(got, string(rec.Value))
				}
				return nil
			}))
			require.NoError(t, r.Tend(t.Context()))
			return r.Done()
		}, 20*time.Second, 10*time.Millisecond)
		assert.Equal(t, "before", got[0], "what comes after may have been read before the time came, and nothing else")
		assert.LessOrEqual(t, len(got), 2)
	})
}

func TestReaderSaysThatOffsetsAreGone(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 1)
		for range 10 {
			c.Produce(t, topic, &kgo.Record{Value: []byte("x")})
		}
		a := resolve(t, c, topic, earliest, latest)
		var gone kadm.Offsets
		gone.AddOffset(topic, 0, 5, -1)
		_, err := kadm.NewClient(c.Client(t)).DeleteRecords(t.Context(), gone)
		require.NoError(t, err)

		r := open(t, c, a)
		require.Eventually(t, func() bool {
			err = r.Poll(t.Context(), func(kafka.Chunk) error { return nil })
			return err != nil
		}, 20*time.Second, time.Millisecond)
		require.ErrorIs(t, err, kafka.ErrDataLoss)
		assert.ErrorContains(t, err, "partition 0 no longer has offset 0")
	})
}

func TestSilentPartitionsAreAskedFor(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 2)
		r := open(t, c, resolve(t, c, topic, earliest, never))
		require.Eventually(t, func() bool {
			require.NoError(t, r.Tend(t.Context()))
			return r.Watermark.Advance(time.Now()) != kafka.NoTime
		}, 20*time.Second, 10*time.Millisecond, "two partitions that are silent from birth hold the watermark")
	})
}

func TestReaderGivesUpOnBrokersOutOfReach(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	topic := c.Topic(t, 1)
	c.Produce(t, topic, &kgo.Record{Value: []byte("x")})
	a := resolve(t, c, topic, earliest, never)
	s := settings(c)
	s.Connection.RetryTimeout = time.Second
	r, err := kafka.OpenReader(s, a, a.Start, kafka.NoTime)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	read := false
	require.Eventually(t, func() bool {
		require.NoError(t, r.Poll(t.Context(), func(kafka.Chunk) error { read = true; return nil }))
		return read
	}, 20*time.Second, time.Millisecond)

	c.Fakes.Broker.Close()
	require.Eventually(t, func() bool {
		err = r.Poll(t.Context(), func(kafka.Chunk) error { return nil })
		return err != nil
	}, 30*time.Second, time.Millisecond)
	require.ErrorIs(t, err, kafka.ErrUnreachable)
	assert.ErrorContains(t, err, c.Brokers[0])
}

func TestParkedReaderIsTakenBackWhereItStands(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	topic := c.Topic(t, 1)
	a := resolve(t, c, topic, earliest, never)
	first, err := kafka.Resume(settings(c), a, a.Start, kafka.NoTime)
	require.NoError(t, err)
	first.Park()

	elsewhere, err := kafka.Resume(settings(c), a, []int64{7}, kafka.NoTime)
	require.NoError(t, err)
	defer elsewhere.Close()
	assert.NotSame(t, first, elsewhere)

	again, err := kafka.Resume(settings(c), a, a.Start, kafka.NoTime)
	require.NoError(t, err)
	assert.Same(t, first, again)
	again.Park()
	kafka.CloseParked(a.Pipeline)
	third, err := kafka.Resume(settings(c), a, a.Start, kafka.NoTime)
	require.NoError(t, err)
	defer third.Close()
	assert.NotSame(t, first, third)
}

func TestResumedReaderCommitsTheGroupsOffsets(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 1)
		c.Produce(t, topic, &kgo.Record{Value: []byte("x")}, &kgo.Record{Value: []byte("y")})
		a := resolve(t, c, topic, earliest, latest)
		s := settings(c)
		s.Group = c.Name(t)
		r, err := kafka.OpenReader(s, a, a.Start, kafka.NoTime)
		require.NoError(t, err)
		drain(t, r)
		admin := kadm.NewClient(c.Client(t))
		require.Eventually(t, func() bool { // the first commit of a broker's life waits for a coordinator
			r.Park()
			again, err := kafka.Resume(s, a, []int64{2}, kafka.NoTime)
			require.NoError(t, err)
			require.Same(t, r, again)
			o, err := admin.FetchOffsets(t.Context(), s.Group)
			at, ok := o.Lookup(topic, 0)
			return err == nil && ok && at.At == 2
		}, time.Minute, 100*time.Millisecond)
		r.Close()
	})
}
