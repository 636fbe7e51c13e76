// Package kafkatest gives a test a Kafka cluster with a schema registry, in this process or a real one,
// behind one interface. Each runs a test against every kind that is there.
package kafkatest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"clickstream/io/embedded"
)

// The kinds of cluster.
const (
	Embedded = "embedded" // kfake and srfake in this process; each test has its own
	Real     = "real"     // Apache Kafka and a registry that CLICKSTREAM_TEST_KAFKA names; all tests share it
)

// patience is how long one request of a test may take, the real broker's first ones on a busy machine
// included.
const patience = time.Minute

// Cluster is a Kafka cluster and its registry. All who connect to Brokers may do everything.
type Cluster struct {
	Kind     string
	Brokers  []string // host:port
	Registry string   // URL of the Confluent API

	// Fakes are what runs in this process, to make faults with; nil where the cluster is real.
	Fakes *Fakes

	admin []kgo.Opt // how an administrator connects, beyond the addresses
}

// Fakes are the broker and the registry of an embedded cluster.
type Fakes struct {
	Broker   *embedded.Broker
	Registry *embedded.Registry
}

// Options returns how the cluster's administrator connects.
func (c *Cluster) Options() []kgo.Opt {
	return append([]kgo.Opt{kgo.SeedBrokers(c.Brokers...)}, c.admin...)
}

// Client returns a client of the cluster's administrator, closed with the test. It puts each record into the
// partition that the record names.
func (c *Cluster) Client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	all := append(c.Options(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.ZstdCompression()),
		kgo.ProducerBatchMaxBytes(embedded.MaxMessageBytes))
	client, err := kgo.NewClient(append(all, opts...)...)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

// Topic makes a topic and returns its name, which is new in the cluster and tells the test. It is removed
// with the test. Configs are pairs such as "cleanup.policy", "compact".
func (c *Cluster) Topic(t *testing.T, partitions int32, configs ...string) string {
	t.Helper()
	name := c.Name(t)
	c.MakeTopic(t, name, partitions, configs...)
	return name
}

// MakeTopic makes a topic of that name, as Topic does.
func (c *Cluster) MakeTopic(t *testing.T, name string, partitions int32, configs ...string) {
	t.Helper()
	require.Zero(t, len(configs)%2, "configs come in pairs of name and value")
	values := make(map[string]*string)
	for i := 0; i < len(configs); i += 2 {
		values[configs[i]] = &configs[i+1]
	}
	ctx, cancel := within(t)
	defer cancel()
	adm := kadm.NewClient(c.Client(t))
	_, err := adm.CreateTopic(ctx, partitions, 1, values, name)
	require.NoError(t, err, "make topic %s", name)
	c.RemoveTopic(t, name)
	c.settles(t, name, partitions)
}

// MakeAgain deletes a topic and makes another one of its name.
func (c *Cluster) MakeAgain(t *testing.T, name string, partitions int32) {
	t.Helper()
	ctx, cancel := within(t)
	defer cancel()
	adm := kadm.NewClient(c.Client(t))
	_, err := adm.DeleteTopic(ctx, name)
	require.NoError(t, err, "delete topic %s", name)
	var made kadm.CreateTopicResponse
	require.Eventually(t, func() bool { // a broker goes on deleting it after the answer
		made, err = adm.CreateTopic(ctx, partitions, 1, nil, name)
		return err == nil
	}, patience, 10*time.Millisecond, "make topic %s again: %v", name, err)
	require.EventuallyWithT(t, func(t *assert.CollectT) { // and speaks of the one that was
		topics, err := adm.ListTopics(anew(ctx), name)
		require.NoError(t, err)
		assert.Equal(t, made.ID, topics[name].ID)
		ends, err := adm.ListEndOffsets(anew(ctx), name)
		require.NoError(t, err)
		ends.Each(func(o kadm.ListedOffset) { assert.Zero(t, o.Offset) })
	}, patience, 10*time.Millisecond, "topic %s is still the one before", name)
	c.settles(t, name, partitions)
}

// settles waits until the brokers know a topic.
func (c *Cluster) settles(t *testing.T, name string, partitions int32) {
	t.Helper()
	ctx, cancel := within(t)
	defer cancel()
	adm := kadm.NewClient(c.Client(t))
	require.EventuallyWithT(t, func(t *assert.CollectT) { // a broker learns of it after the answer
		ends, err := adm.ListEndOffsets(anew(ctx), name)
		require.NoError(t, err)
		require.NoError(t, ends.Error())
		assert.Len(t, ends[name], int(partitions))
	}, patience, 10*time.Millisecond, "topic %s does not settle", name)
}

// anew has a broker asked for a topic: without the permissions, the client says for five seconds what it heard before.
func anew(ctx context.Context) context.Context { return kadm.WithAuthorizedOps(ctx) }

// Name returns a name, of a topic or a group, that nobody else has.
func (c *Cluster) Name(t *testing.T) string {
	t.Helper()
	var id [4]byte
	_, err := rand.Read(id[:])
	require.NoError(t, err)
	test := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			return r
		}
		return '-'
	}, t.Name())
	return test[:min(len(test), 180)] + "-" + hex.EncodeToString(id[:])
}

// RemoveTopic removes topics with the test that the program under test makes, if they are there by then.
func (c *Cluster) RemoveTopic(t *testing.T, names ...string) {
	t.Helper()
	if c.Kind == Embedded {
		return // it goes with its cluster
	}
	adm := kadm.NewClient(c.Client(t))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := adm.DeleteTopics(ctx, names...); err != nil {
			t.Logf("remove topics %v: %v", names, err)
		}
	})
}

// Produce writes records to the topic and returns when all of them are there. A record stands in the
// partition and at the time that it names; by default in partition 0 and now. Afterwards the records carry
// their offsets.
func (c *Cluster) Produce(t *testing.T, topic string, records ...*kgo.Record) {
	t.Helper()
	ctx, cancel := within(t)
	defer cancel()
	for _, r := range records {
		r.Topic = topic
	}
	require.NoError(t, c.Client(t).ProduceSync(ctx, records...).FirstErr(), "produce to %s", topic)
}

// EndTransaction ends a producer's transaction on a topic, and returns when all that was in it is committed or gone.
func (c *Cluster) EndTransaction(t *testing.T, producer *kgo.Client, topic string, end kgo.TransactionEndTry) {
	t.Helper()
	ctx, cancel := within(t)
	defer cancel()
	require.NoError(t, producer.EndTransaction(ctx, end))
	adm := kadm.NewClient(c.Client(t))
	require.EventuallyWithT(t, func(t *assert.CollectT) { // a broker writes the markers after the answer
		ends, err := adm.ListEndOffsets(ctx, topic)
		require.NoError(t, err)
		stable, err := adm.ListCommittedOffsets(ctx, topic)
		require.NoError(t, err)
		assert.Equal(t, ends.Offsets(), stable.Offsets())
	}, patience, 10*time.Millisecond, "a transaction on topic %s does not end", topic)
}

// Read returns all records of the topic, partition by partition, as they are now. Transactions that are open are awaited, and
// what was aborted is left out.
func (c *Cluster) Read(t *testing.T, topic string) []*kgo.Record {
	t.Helper()
	ctx, cancel := within(t)
	defer cancel()
	client := c.Client(t)
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	require.NoError(t, err)
	require.NoError(t, ends.Error(), "ends of %s", topic)
	starts, err := kadm.NewClient(client).ListStartOffsets(ctx, topic)
	require.NoError(t, err)
	require.NoError(t, starts.Error(), "starts of %s", topic)

	from := make(map[int32]kgo.Offset)
	ends.Each(func(e kadm.ListedOffset) {
		if s, ok := starts.Lookup(topic, e.Partition); ok && s.Offset < e.Offset {
			from[e.Partition] = kgo.NewOffset().At(s.Offset)
		}
	})
	read := make([][]*kgo.Record, len(ends[topic]))
	reader := c.Client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	for len(from) > 0 {
		fetches := reader.PollFetches(ctx)
		require.NoError(t, fetches.Err(), "read %s", topic)
		fetches.EachRecord(func(r *kgo.Record) {
			end, _ := ends.Lookup(topic, r.Partition)
			if r.Offset < end.Offset && !r.Attrs.IsControl() {
				read[r.Partition] = append(read[r.Partition], r)
			}
			if r.Offset+1 >= end.Offset {
				delete(from, r.Partition)
			}
		})
	}
	var all []*kgo.Record
	for _, rs := range read {
		all = append(all, rs...)
	}
	return all
}

// Register puts an Avro schema into the registry and returns its id.
func (c *Cluster) Register(t *testing.T, subject, schema string) int {
	t.Helper()
	ctx, cancel := within(t)
	defer cancel()
	s, err := c.registry(t).CreateSchema(ctx, subject, sr.Schema{Schema: schema, Type: sr.TypeAvro})
	require.NoError(t, err, "register %s", subject)
	return s.ID
}

// Compatibility has the registry take only versions of a subject that are compatible with the newest, in a way such as
// BACKWARD, or with all, as by BACKWARD_TRANSITIVE. Without it the registry takes any.
func (c *Cluster) Compatibility(t *testing.T, subject, level string) {
	t.Helper()
	ctx, cancel := within(t)
	defer cancel()
	var l sr.CompatibilityLevel
	require.NoError(t, l.UnmarshalText([]byte(level)))
	for _, set := range c.registry(t).SetCompatibility(ctx, sr.SetCompatibility{Level: l}, subject) {
		require.NoError(t, set.Err, "compatibility of %s", subject)
	}
}

// registry returns a client of the registry, whose connections end with the test.
func (c *Cluster) registry(t *testing.T) *sr.Client {
	t.Helper()
	own := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	t.Cleanup(own.CloseIdleConnections)
	client, err := sr.NewClient(sr.URLs(c.Registry), sr.HTTPClient(own))
	require.NoError(t, err)
	return client
}

// Frame puts Avro bytes behind the header of the registry's producers: a zero and the schema's id in four
// bytes, big endian.
func Frame(schema int, avro []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(schema)), avro...)
}

func within(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), patience)
}
