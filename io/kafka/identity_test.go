package kafka_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"clickstream/io/embedded"
	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
)

// identify returns the identity of a topic, as a new client is told it.
func identify(t *testing.T, c *kafkatest.Cluster, topic string) kafka.Identity {
	t.Helper()
	is, err := settings(c).Connection.Identify(t.Context(), kadm.NewClient(c.Client(t)), kafka.Doing{Operation: "Read", Topic: topic})
	require.NoError(t, err)
	return is
}

func TestIdentify(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 1)
		first := identify(t, c, topic)
		assert.NotEmpty(t, first.Cluster)
		assert.Len(t, first.Topic, 22, "as kafka-topics.sh --describe shows it")
		assert.Equal(t, first, identify(t, c, topic))
		c.MakeAgain(t, topic, 1)
		second := identify(t, c, topic)
		assert.Equal(t, first.Cluster, second.Cluster)
		assert.NotEqual(t, first.Topic, second.Topic)
		assert.False(t, kafka.SameID(first.Topic, second.Topic))

		missing, err := settings(c).Connection.Identify(t.Context(), kadm.NewClient(c.Client(t)), kafka.Doing{Operation: "Read", Topic: topic + "-not"})
		require.ErrorIs(t, err, kafka.ErrNoTopic)
		assert.Equal(t, first.Cluster, missing.Cluster, "which tells why it is not there, perhaps")
	})
}

// old starts a broker that has no ids of topics.
func old(t *testing.T) *kafkatest.Cluster {
	t.Helper()
	b, err := embedded.StartBroker(kfake.MaxVersions(kversion.V2_6_0()))
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return &kafkatest.Cluster{Kind: kafkatest.Embedded, Brokers: b.Addrs(), Fakes: &kafkatest.Fakes{Broker: b}}
}

func TestIdentifyWithoutIDs(t *testing.T) {
	c := old(t)
	topic := c.Topic(t, 1)
	is := identify(t, c, topic)
	assert.Empty(t, is.Topic)
	assert.True(t, kafka.SameID(is.Topic, "an id"))
}

// produced writes n records to partition 0.
func produced(t *testing.T, c *kafkatest.Cluster, topic string, n int) {
	t.Helper()
	for i := range n {
		c.Produce(t, topic, &kgo.Record{Value: fmt.Append(nil, i)})
	}
}

// fails goes on reading until the reader says why it cannot, and wants it to hand out nothing before, nor to be done.
func fails(t *testing.T, r *kafka.Reader) (err error) {
	t.Helper()
	require.Eventually(t, func() bool {
		err = r.Poll(t.Context(), func(c kafka.Chunk) error {
			assert.Fail(t, "it reads on", "offset %d", c.First)
			return nil
		})
		if err == nil {
			err = r.Tend(t.Context())
		}
		assert.False(t, r.Done())
		return err != nil
	}, 30*time.Second, time.Millisecond)
	return err
}

// TestReaderKeepsToItsTopic has the topic deleted and made again, with more records than it had or fewer: before the
// reader is opened, while it reads, and just before it finds out where to end.
func TestReaderKeepsToItsTopic(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for name, is := range map[string]struct {
			until   int64 // as an Assignment's
			isOpen  bool  // before
			records int   // of the other topic
		}{
			"before it is opened": {0, false, 5},
			"while it reads":      {0, true, 5},
			"before its end":      {1, false, 1}, // which has come
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				topic := c.Topic(t, 1)
				was := identify(t, c, topic).Topic
				produced(t, c, topic, 3)
				a := resolve(t, c, topic, latest, never)
				a.TopicID, a.Until = was, is.until
				var r *kafka.Reader
				if is.isOpen {
					r = open(t, c, a)
					require.NoError(t, r.Poll(t.Context(), nil))
					require.NoError(t, r.Tend(t.Context()))
				}
				c.MakeAgain(t, topic, 1)
				produced(t, c, topic, is.records)
				if !is.isOpen {
					r = open(t, c, a)
				}
				if is.until > 0 {
					require.Error(t, r.Tend(t.Context()), "the other topic's ends are not this one's")
				}
				err := fails(t, r)
				require.ErrorContains(t, err, "topic "+topic+" was deleted and made again while it was read: it was of id "+was+", and is of "+identify(t, c, topic).Topic+" now")
				assert.ErrorContains(t, err, "another --table")
			})
		}
	})
}

// TestReaderNoticesACutLog is the same on a broker that has no ids: the offset is past the end.
func TestReaderNoticesACutLog(t *testing.T) {
	c := old(t)
	topic := c.Topic(t, 1)
	produced(t, c, topic, 3)
	r := open(t, c, resolve(t, c, topic, latest, never))
	require.NoError(t, r.Poll(t.Context(), nil))
	c.MakeAgain(t, topic, 1)
	produced(t, c, topic, 1)
	err := fails(t, r)
	require.ErrorIs(t, err, kafka.ErrDataLoss)
	assert.ErrorContains(t, err, "topic "+topic+" partition 0 ends before offset 3")
}
