package kafkatest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"clickstream/testing/kafkatest"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 3, "retention.ms", "-1")
		at := time.UnixMilli(1_700_000_000_000)
		var records []*kgo.Record
		for i := range 30 {
			records = append(records, &kgo.Record{
				Partition: int32(i % 3),
				Timestamp: at.Add(time.Duration(i) * time.Second),
				Key:       fmt.Append(nil, "k", i),
				Value:     bytes.Repeat([]byte{byte(i)}, 1000),
				Headers:   []kgo.RecordHeader{{Key: "n", Value: []byte{byte(i)}}},
			})
		}
		records = append(records, &kgo.Record{Partition: 2, Timestamp: at.Add(time.Hour)}) // a tombstone
		c.Produce(t, topic, records...)

		read := c.Read(t, topic)
		require.Len(t, read, len(records))
		byPlace := make(map[string]*kgo.Record)
		for _, r := range read {
			byPlace[fmt.Sprint(r.Partition, r.Offset)] = r
		}
		for _, want := range records {
			got := byPlace[fmt.Sprint(want.Partition, want.Offset)]
			require.NotNil(t, got)
			assert.Equal(t, want.Key, got.Key)
			assert.Equal(t, want.Value, got.Value)
			assert.Equal(t, want.Headers, got.Headers)
			assert.True(t, want.Timestamp.Equal(got.Timestamp), "%v is %v", want.Timestamp, got.Timestamp)
			assert.EqualValues(t, 4, got.Attrs.CompressionType(), "the record came in a batch of zstd")
		}
	})
}

func TestOffsetsByTime(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 2, "retention.ms", "-1")
		for i := range int64(10) { // a batch each
			c.Produce(t, topic, &kgo.Record{Timestamp: time.UnixMilli(1_700_000_000_000 + 1000*i), Value: []byte("v")})
		}
		adm := kadm.NewClient(c.Client(t))
		for at, want := range map[int64]int64{0: 0, 1_700_000_000_000: 0, 1_700_000_003_000: 3, 1_700_000_003_001: 4, 1_700_000_009_001: 10} {
			listed, err := adm.ListOffsetsAfterMilli(within(t), at, topic)
			require.NoError(t, err)
			require.NoError(t, listed.Error())
			got, _ := listed.Lookup(topic, 0)
			assert.Equal(t, want, got.Offset, "first offset at or after %d; kadm answers with the end where there is none", at)
			empty, _ := listed.Lookup(topic, 1)
			assert.Zero(t, empty.Offset, "an empty partition at %d", at)
		}
	})
}

func TestLargeValues(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 1)
		random := make([]byte, 12<<20) // incompressible enough for the limit of a batch to matter
		for i := range random {
			random[i] = byte(i * i >> 7)
		}
		c.Produce(t, topic, &kgo.Record{Value: random})
		read := c.Read(t, topic)
		require.Len(t, read, 1)
		assert.True(t, bytes.Equal(random, read[0].Value))
	})
}

func TestTopicsAreNotMadeByAsking(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		name := c.Name(t)
		client := c.Client(t, kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(1))
		err := client.ProduceSync(within(t), &kgo.Record{Topic: name}).FirstErr()
		require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
		topics, err := kadm.NewClient(client).ListTopics(within(t))
		require.NoError(t, err)
		assert.False(t, topics.Has(name))
	})
}

func TestRegistryKeepsSchemasByID(t *testing.T) {
	const schema = `{"type":"record","name":"R","fields":[{"name":"at","type":"long","logicalType":"timestamp-millis"}]}`
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		id := c.Register(t, c.Name(t)+"-value", schema)
		resp, err := http.Get(fmt.Sprintf("%s/schemas/ids/%d", c.Registry, id))
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		var body struct{ Schema string }
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&body))
		assert.JSONEq(t, schema, body.Schema)

		unknown, err := http.Get(c.Registry + "/schemas/ids/999999")
		require.NoError(t, err)
		require.NoError(t, unknown.Body.Close())
		assert.Equal(t, http.StatusNotFound, unknown.StatusCode)
	})
}

func TestFrame(t *testing.T) {
	assert.Equal(t, []byte{0, 0, 0, 1, 2, 'x'}, kafkatest.Frame(258, []byte("x")))
}

func mechanism(name string, u kafkatest.User) sasl.Mechanism {
	switch name {
	case "PLAIN":
		return plain.Auth{User: u.Name, Pass: u.Password}.AsMechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: u.Name, Pass: u.Password}.AsSha256Mechanism()
	default:
		return scram.Auth{User: u.Name, Pass: u.Password}.AsSha512Mechanism()
	}
}

// as connects as a user. Unlike c.Client it brings nothing of the administrator's.
func as(t *testing.T, c *kafkatest.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.Brokers...), kgo.RequestRetries(1), kgo.RetryTimeout(3 * time.Second), kgo.DialTimeout(2 * time.Second)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func TestSASLUsers(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		c = c.SASL(t)
		topic := c.Topic(t, 1)
		c.Produce(t, topic, &kgo.Record{Value: []byte("v")})
		consume := kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}})

		for _, m := range kafkatest.Mechanisms {
			t.Run(m, func(t *testing.T) {
				topic := c.Topic(t, 1)
				c.Produce(t, topic, &kgo.Record{Value: []byte("v")})
				consume := kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}})
				worker := as(t, c, kgo.SASL(mechanism(m, kafkatest.Worker)), consume)
				fetches := worker.PollFetches(within(t))
				require.NoError(t, fetches.Err())
				assert.Equal(t, 1, fetches.NumRecords())
				require.NoError(t, worker.ProduceSync(within(t), &kgo.Record{Topic: topic}).FirstErr())

				wrong := kafkatest.User{Name: kafkatest.Worker.Name, Password: "wrong"}
				err := as(t, c, kgo.SASL(mechanism(m, wrong))).Ping(within(t))
				if c.Kind == kafkatest.Embedded && m != "PLAIN" {
					require.ErrorIs(t, err, io.EOF, "kfake closes the connection")
				} else {
					require.ErrorIs(t, err, kerr.SaslAuthenticationFailed)
				}
			})
		}

		t.Run("a worker makes no topic", func(t *testing.T) {
			_, err := kadm.NewClient(as(t, c, kgo.SASL(mechanism("PLAIN", kafkatest.Worker)))).CreateTopic(within(t), 1, 1, nil, c.Name(t))
			require.ErrorIs(t, err, kerr.TopicAuthorizationFailed)
		})
		t.Run("a watcher sees and reads nothing", func(t *testing.T) {
			watcher := as(t, c, kgo.SASL(mechanism("PLAIN", kafkatest.Watcher)), consume)
			topics, err := kadm.NewClient(watcher).ListTopics(within(t), topic)
			require.NoError(t, err)
			require.NoError(t, topics[topic].Err)
			require.ErrorIs(t, watcher.PollFetches(within(t)).Err(), kerr.TopicAuthorizationFailed)
		})
		t.Run("nobody sees nothing", func(t *testing.T) {
			nobody := as(t, c, kgo.SASL(mechanism("PLAIN", kafkatest.Nobody)))
			topics, err := kadm.NewClient(nobody).ListTopics(within(t))
			require.NoError(t, err)
			assert.Empty(t, topics)
			_, err = kadm.NewClient(nobody).ListEndOffsets(within(t), topic)
			require.ErrorContains(t, err, "TOPIC_AUTHORIZATION_FAILED")
		})
		t.Run("without a user", func(t *testing.T) {
			require.Error(t, as(t, c).Ping(within(t)))
		})
	})
}

func TestPermissionsEndWithTheTest(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		c = c.SASL(t)
		topic := c.Topic(t, 1)
		acl := kafkatest.Nobody.Allowed(kadm.OpDescribe).Topics(topic)
		topics := func(t *testing.T) []string {
			listed, err := kadm.NewClient(as(t, c, kgo.SASL(mechanism("PLAIN", kafkatest.Nobody)))).ListTopics(within(t))
			require.NoError(t, err)
			return listed.Names()
		}
		t.Run("the one that gives them", func(t *testing.T) {
			c.AddACLs(t, acl)
			assert.Equal(t, []string{topic}, topics(t))
		})
		require.EventuallyWithT(t, func(collect *assert.CollectT) {
			assert.Empty(collect, topics(t))
		}, 30*time.Second, 100*time.Millisecond, "a broker takes back what it has given")
		c.AddACLs(t, acl)
		c.RemoveACLs(t, acl)
		assert.Empty(t, topics(t))
	})
}

func TestToken(t *testing.T) {
	t.Run(kafkatest.Real, func(t *testing.T) {
		c := kafkatest.FindReal(t).SASL(t)
		login := oauth.Auth{Token: kafkatest.Worker.Token()}.AsMechanism()
		topic := c.Topic(t, 1)
		require.NoError(t, as(t, c, kgo.SASL(login)).ProduceSync(within(t), &kgo.Record{Topic: topic}).FirstErr())
		wrong := oauth.Auth{Token: "no token"}.AsMechanism()
		require.ErrorIs(t, as(t, c, kgo.SASL(wrong)).Ping(within(t)), kerr.SaslAuthenticationFailed)
	})
}

func TestPasswordFile(t *testing.T) {
	content, err := os.ReadFile(kafkatest.Worker.PasswordFile(t))
	require.NoError(t, err)
	assert.Equal(t, "worker-secret", strings.TrimSpace(string(content)))
}

func TestTLS(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		secure := c.TLS(t)
		topic := secure.Topic(t, 1)
		secure.Produce(t, topic, &kgo.Record{Value: []byte("v")})
		assert.Len(t, secure.Read(t, topic), 1)

		ca, err := os.ReadFile(secure.CAFile)
		require.NoError(t, err)
		pool := x509.NewCertPool()
		require.True(t, pool.AppendCertsFromPEM(ca))
		pair, err := tls.LoadX509KeyPair(secure.CertFile, secure.KeyFile)
		require.NoError(t, err)
		known := kgo.DialTLSConfig(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}})
		require.NoError(t, as(t, secure.Cluster, known).Ping(within(t)))

		var unknown x509.UnknownAuthorityError
		stranger := kgo.DialTLSConfig(&tls.Config{RootCAs: x509.NewCertPool()})
		require.ErrorAs(t, as(t, secure.Cluster, stranger).Ping(within(t)), &unknown)
		require.Error(t, as(t, secure.Cluster).Ping(within(t)), "plain text to a listener of TLS")
		require.Error(t, as(t, c, known).Ping(within(t)), "TLS to a listener of plain text")
	})
}
