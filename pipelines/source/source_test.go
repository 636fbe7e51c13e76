package source_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/io/registry"
	"clickstream/pipelines/settings"
	"clickstream/pipelines/source"
	"clickstream/testing/kafkatest"
)

var (
	earliest = settings.Moment{Word: settings.Earliest}
	latest   = settings.Moment{Word: settings.Latest}
)

// inputOf is what a pipeline is told to read, from a topic that is there; its dead letter topic is not.
func inputOf(t *testing.T, c *kafkatest.Cluster) *settings.Input {
	t.Helper()
	in := &settings.Input{
		Topic: c.Topic(t, 2, "max.message.bytes", "2000000"), DeadLetterTopic: c.Name(t), Format: "avro", Registry: c.Registry, Until: latest,
		Kafka: settings.Kafka{Brokers: c.Brokers, RetryTimeout: 30 * time.Second},
	}
	c.RemoveTopic(t, in.DeadLetterTopic)
	return in
}

func topics(t *testing.T, c *kafkatest.Cluster, names ...string) kadm.TopicDetails {
	t.Helper()
	all, err := kadm.NewClient(c.Client(t)).ListTopics(t.Context(), names...)
	require.NoError(t, err)
	return all
}

func TestOpen(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		in := inputOf(t, c)
		c.Produce(t, in.Topic, &kgo.Record{Value: []byte("a")}, &kgo.Record{Value: []byte("b")}, &kgo.Record{Value: []byte("c"), Partition: 1})

		dry, err := source.Open(t.Context(), in, earliest, true)
		require.NoError(t, err)
		defer dry.Close()
		assert.False(t, topics(t, c, in.DeadLetterTopic).Has(in.DeadLetterTopic), "a dry run makes nothing")

		s, err := source.Open(t.Context(), in, earliest, false)
		require.NoError(t, err)
		defer s.Close()
		is := topics(t, c, in.Topic)[in.Topic]
		assert.Equal(t, kafka.Extent{
			Topic: in.Topic, TopicID: s.Extent.TopicID, Partitions: []int32{0, 1}, Start: []int64{0, 0}, End: []int64{2, 1},
			Consumed: []int64{0, 0}, Rejected: make([]kafka.Offsets, 2),
		}, s.Extent)
		assert.Equal(t, dry.Extent, s.Extent)
		assert.NotEmpty(t, s.Extent.TopicID, "should it be made again, it is another one")
		assert.NotEmpty(t, s.Cluster)
		assert.Equal(t, registry.Settings{URL: c.Registry, RetryTimeout: 30 * time.Second}, s.Registry)

		made := topics(t, c, in.DeadLetterTopic)[in.DeadLetterTopic]
		assert.Len(t, made.Partitions, len(is.Partitions))
		letters := s.DeadLetters("pipeline")
		assert.Equal(t, in.DeadLetterTopic, letters.Topic)
		assert.Equal(t, "pipeline", letters.Pipeline)
		assert.NotEmpty(t, letters.Version)
		assert.Greater(t, letters.MaxBytes, int32(2_000_000), "a dead letter has headers that its record had not")

		again, err := source.Open(t.Context(), in, latest, false)
		require.NoError(t, err, "what is there is not made")
		defer again.Close()
		assert.Equal(t, []int64{2, 1}, again.Extent.Start)
		assert.Equal(t, letters, again.DeadLetters("pipeline"))
	})
}

func TestOpenATopicThatIsNotThere(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		in := inputOf(t, c)
		in.Topic = c.Name(t)
		_, err := source.Open(t.Context(), in, earliest, false)
		require.ErrorIs(t, err, kafka.ErrNoTopic)
		require.ErrorContains(t, err, in.Topic)
		assert.False(t, topics(t, c, in.DeadLetterTopic).Has(in.DeadLetterTopic), "nothing is made for what cannot be")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = source.Open(ctx, in, earliest, false)
		require.Error(t, err)
	})
}

// TestOpenATopicThatWasJustMade has a broker not know of it at first.
func TestOpenATopicThatWasJustMade(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	in := inputOf(t, c)
	asked := kafkatest.LearnsLate(c.Fakes.Broker, in.Topic, 2)
	s, err := source.Open(t.Context(), in, earliest, true)
	require.NoError(t, err)
	defer s.Close()
	assert.Len(t, s.Extent.Partitions, 2)
	assert.GreaterOrEqual(t, asked.Load(), int32(3))
}

// TestOpenWithoutARegistry finds out early that there is none, where one is needed.
func TestOpenWithoutARegistry(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	in := inputOf(t, c)
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	in.Kafka.RetryTimeout = time.Second
	for _, url := range []string{"http://127.0.0.1:1", other.URL} {
		in.Registry = url
		_, err := source.Open(t.Context(), in, earliest, false)
		require.ErrorContains(t, err, url)
		assert.NotContains(t, err.Error(), "\n")
		require.Error(t, source.Ping(t.Context(), registry.Settings{URL: url, RetryTimeout: time.Second}))
	}
	assert.False(t, topics(t, c, in.DeadLetterTopic).Has(in.DeadLetterTopic))
	in.Format = "json"
	s, err := source.Open(t.Context(), in, earliest, false)
	require.NoError(t, err, "nobody asks it anything")
	s.Close()
	require.NoError(t, source.Ping(t.Context(), registry.Settings{URL: c.Registry, RetryTimeout: time.Second}))
}

func TestOpenWithoutABroker(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	in := inputOf(t, c)
	in.Kafka.Brokers, in.Kafka.RetryTimeout = []string{"127.0.0.1:1"}, time.Second
	_, err := source.Open(t.Context(), in, earliest, false)
	require.ErrorIs(t, err, kafka.ErrUnreachable)
	require.ErrorContains(t, err, "127.0.0.1:1")
}

// TestCheckGroup has a new group be where the start is, and leaves one alone that has come further.
func TestCheckGroup(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		in, group := inputOf(t, c), c.Name(t)
		c.Produce(t, in.Topic, &kgo.Record{Value: []byte("a")}, &kgo.Record{Value: []byte("b")})
		for i, start := range []settings.Moment{latest, earliest} {
			s, err := source.Open(t.Context(), in, start, false)
			require.NoError(t, err)
			defer s.Close()
			require.NoError(t, s.CheckGroup(t.Context(), group))
			at, err := kafka.FetchPosition(t.Context(), s.Admin, group, in.Topic)
			require.NoError(t, err)
			assert.Equal(t, map[int32]int64{0: 2, 1: 0}, at.Next, "run %d", i)
		}
	})
}
