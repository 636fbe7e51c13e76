package monitor

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
	"clickstream/transforms/deadletter"
	"clickstream/transforms/replay"
)

// letter returns a dead letter as runs write it.
func letter(topic string, reason click.Reason, partition int32) *kgo.Record {
	r := deadletter.Record(click.Reject{
		Fault: click.Fault{Reason: reason, Detail: "it is none"}, Topic: topic, Partition: 3, Offset: 17, Value: []byte("no click"), Stage: "decode",
		Headers: []click.Header{{Key: "dlq.reason", Value: []byte("of an earlier life")}},
	}, "test")
	r.Partition = partition
	return r
}

func tail(t *testing.T, c *kafkatest.Cluster, topic string) *deadLetters {
	d := newDeadLetters(Config{Connection: kafka.Connection{Brokers: c.Brokers}, Topic: "clicks", DeadLetterTopic: topic, Interval: 20 * time.Millisecond})
	t.Cleanup(d.close)
	return d
}

// assertRejects looks until so many are counted.
func (d *deadLetters) assertRejects(t *testing.T, want map[click.Reason]int64) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.NoError(c, d.look(ctx))
		assert.Equal(c, want, vitalsOf(d).Rejects)
	}, time.Minute, time.Millisecond)
}

func TestDeadLettersAreCounted(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 2)
		c.Produce(t, topic, letter("clicks", click.JSON, 0), letter("clicks", click.Avro, 1))
		d := tail(t, c, topic)
		require.NoError(t, d.look(t.Context()))
		assert.Empty(t, vitalsOf(d).Rejects, "those that were there before are not")

		unknown := letter("clicks", "of another version", 0)
		marker := letter("clicks", click.JSON, 1)
		marker.Headers = append(marker.Headers, kgo.RecordHeader{Key: replay.Prefix + "marker", Value: []byte("1")})
		c.Produce(t, topic,
			letter("clicks", click.JSON, 0), letter("clicks", click.JSON, 1), letter("clicks", click.TooLate, 0),
			letter("orders", click.JSON, 0), unknown, marker, &kgo.Record{Value: []byte("somebody else's")},
			&kgo.Record{Headers: []kgo.RecordHeader{{Key: "dlq.reason", Value: []byte("json")}, {Key: "dlq.topic", Value: []byte("clicks")}}, Partition: 1},
			letter("clicks", click.TooLarge, 1), // the last of each partition, so that all before are seen
			letter("clicks", click.TooLarge, 0),
		)
		want := map[click.Reason]int64{click.JSON: 2, click.TooLate: 1, click.TooLarge: 2}
		d.assertRejects(t, want)
		require.NoError(t, d.look(t.Context()))
		assert.Equal(t, want, vitalsOf(d).Rejects, "each once")
	})
}

// TestNothingButDeadLetters reads more than is held at once.
func TestNothingButDeadLetters(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 2)
		d := tail(t, c, topic)
		require.NoError(t, d.look(t.Context()))
		const n = 20_000
		records := make([]*kgo.Record, n)
		for i := range records {
			records[i] = letter("clicks", click.Reasons[i%len(click.Reasons)], int32(i%2))
			records[i].Key = []byte(strconv.Itoa(i))
		}
		c.Produce(t, topic, records...)
		want := map[click.Reason]int64{}
		for _, r := range click.Reasons {
			want[r] = n / int64(len(click.Reasons))
		}
		d.assertRejects(t, want)
	})
}

func TestADeadLetterTopicThatComesLater(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Name(t)
		d := tail(t, c, topic)
		require.NoError(t, d.look(t.Context()), "the first run that needs it makes it")
		c.MakeTopic(t, topic, 1)
		c.Produce(t, topic, letter("clicks", click.JSON, 0))
		d.assertRejects(t, map[click.Reason]int64{click.JSON: 1}) // from its start on

		c.MakeAgain(t, topic, 2)
		c.Produce(t, topic, letter("clicks", click.Avro, 0), letter("clicks", click.Avro, 1))
		require.EventuallyWithT(t, func(ct *assert.CollectT) {
			d.checked = time.Time{}
			_ = d.look(t.Context()) // it may be told of the one that was
			assert.Equal(ct, map[click.Reason]int64{click.JSON: 1, click.Avro: 2}, vitalsOf(d).Rejects)
		}, time.Minute, 10*time.Millisecond)
	})
}

// TestDeadLettersGoOnAfterAnOutage has the broker hang up for a while.
func TestDeadLettersGoOnAfterAnOutage(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	topic := c.Topic(t, 1)
	d := tail(t, c, topic)
	require.NoError(t, d.look(t.Context()))
	c.Produce(t, topic, letter("clicks", click.JSON, 0))
	d.assertRejects(t, map[click.Reason]int64{click.JSON: 1})
	d.close() // as it does after an error
	c.Produce(t, topic, letter("clicks", click.JSON, 0), letter("clicks", click.Avro, 0))
	d.assertRejects(t, map[click.Reason]int64{click.JSON: 2, click.Avro: 1})
}

func TestDeadLettersOfABrokerThatIsGone(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	topic := c.Topic(t, 1)
	d := tail(t, c, topic)
	require.NoError(t, d.look(t.Context()))
	c.Fakes.Broker.Close()
	require.EventuallyWithT(t, func(c *assert.CollectT) { // an answer may be under way
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		err := d.look(ctx)
		require.Error(c, err, "the client goes on trying, and says nothing of it")
		assert.NotContains(c, err.Error(), "\n")
	}, time.Minute, time.Millisecond)
}
