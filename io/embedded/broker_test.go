package embedded_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"clickstream/io/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, b *embedded.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Addrs()...)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func start(t *testing.T, opts ...kfake.Opt) *embedded.Broker {
	t.Helper()
	b, err := embedded.StartBroker(opts...)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

func TestRecordsComeBack(t *testing.T) {
	b := start(t)
	require.Len(t, b.Addrs(), 1)
	require.NoError(t, b.CreateTopic("clicks", 1, nil))

	at := time.UnixMilli(1_700_000_000_000)
	value := []byte(strings.Repeat("zstd ", 1000))
	writer := client(t, b, kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	require.NoError(t, writer.ProduceSync(t.Context(), &kgo.Record{Topic: "clicks", Value: value, Timestamp: at}).FirstErr())

	reader := client(t, b, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"clicks": {0: kgo.NewOffset().AtStart()}}))
	records := reader.PollFetches(t.Context()).Records()
	require.Len(t, records, 1)
	assert.Equal(t, value, records[0].Value)
	assert.True(t, at.Equal(records[0].Timestamp))
	assert.EqualValues(t, 4, records[0].Attrs.CompressionType(), "zstd")
}

func TestTopicsAreMadeOnRequestOnly(t *testing.T) {
	b := start(t)
	c := client(t, b, kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(1))
	require.ErrorIs(t, c.ProduceSync(t.Context(), &kgo.Record{Topic: "clicks"}).FirstErr(), kerr.UnknownTopicOrPartition)

	willing := start(t, kfake.AllowAutoTopicCreation())
	c = client(t, willing, kgo.AllowAutoTopicCreation())
	require.NoError(t, c.ProduceSync(t.Context(), &kgo.Record{Topic: "clicks"}).FirstErr())
}

func TestSeveralBrokers(t *testing.T) {
	b := start(t, kfake.NumBrokers(3))
	assert.Len(t, b.Addrs(), 3)
	assert.Equal(t, b.Addrs()[0], b.Addr())
	for _, addr := range b.Addrs() {
		host, _, err := net.SplitHostPort(addr)
		require.NoError(t, err)
		assert.Equal(t, "127.0.0.1", host)
	}
	_, err := kadm.NewClient(client(t, b)).CreateTopic(t.Context(), 12, 3, nil, "clicks")
	require.NoError(t, err)
	details, err := kadm.NewClient(client(t, b)).ListTopics(t.Context(), "clicks")
	require.NoError(t, err)
	assert.Equal(t, 3, details["clicks"].Partitions.NumReplicas())
}

func TestPortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	_, err = embedded.StartBroker(kfake.Ports(l.Addr().(*net.TCPAddr).Port))
	require.ErrorContains(t, err, "start the embedded broker")
}
