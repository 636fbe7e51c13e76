package demo

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/io/registry"
	"clickstream/transforms/click"
)

func started(t *testing.T) (*cluster, *kgo.Client) {
	t.Helper()
	c, err := startCluster(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.close()) })
	client, err := c.connection().Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return c, client
}

func TestClusterIsReady(t *testing.T) {
	c, client := started(t)
	outcomes, err := c.connection().Check(t.Context(), client, append(topics, kafka.Topic{Name: deadLetterTopic, Partitions: 12}))
	require.NoError(t, err)
	require.Len(t, outcomes, 3)
	for _, o := range outcomes {
		assert.False(t, o.Differs(), "%v", o)
	}
	metadata, err := kadm.NewClient(client).BrokerMetadata(t.Context())
	require.NoError(t, err)
	assert.Regexp(t, "^"+clusterPrefix+".{36}$", metadata.Cluster)
	r, err := registry.New(registry.Settings{URL: c.registry.URL()})
	require.NoError(t, err)
	defer r.Close()
	schema, err := r.Schema(t.Context(), c.schema, time.Now())
	require.NoError(t, err)
	assert.JSONEq(t, click.Schema, schema)
}

func TestForget(t *testing.T) {
	c, client := started(t)
	now := time.Now()
	for _, age := range []time.Duration{2 * kept, kept + time.Minute, kept - time.Minute, 0} {
		r := &kgo.Record{Topic: rawTopic, Partition: 3, Timestamp: now.Add(-age), Value: []byte("click")}
		require.NoError(t, client.ProduceSync(t.Context(), r).FirstErr())
	}
	admin := kadm.NewClient(client)
	require.NoError(t, c.forget(t.Context(), admin))
	starts, err := admin.ListStartOffsets(t.Context(), rawTopic)
	require.NoError(t, err)
	for partition, first := range starts[rawTopic] {
		want := int64(0)
		if partition == 3 {
			want = 2
		}
		assert.Equal(t, want, first.Offset, "partition %d", partition)
	}
}
