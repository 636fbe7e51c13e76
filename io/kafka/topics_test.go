package kafka_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"clickstream/io/embedded"
	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
)

func connect(t *testing.T, c kafka.Connection) *kgo.Client {
	t.Helper()
	cl, err := c.Connect(t.Context())
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

func cluster(t *testing.T, opts ...kfake.Opt) (*embedded.Broker, kafka.Connection, *kgo.Client) {
	t.Helper()
	b := broker(t, opts...)
	c := kafka.Connection{Brokers: []string{b.Addr()}}
	return b, c, connect(t, c)
}

func raw() kafka.Topic {
	return kafka.Topic{Name: "raw", Partitions: 12, ReplicationFactor: 1, Config: map[string]string{
		"retention.ms": "604800000", "cleanup.policy": "compact,delete", "compression.type": "zstd",
	}}
}

func TestApplyMakes(t *testing.T) {
	_, c, cl := cluster(t)
	want := []kafka.Topic{raw(), {Name: "plain", Partitions: 1}}

	before, err := c.Check(t.Context(), cl, want)
	require.NoError(t, err)
	require.Len(t, before, 2)
	assert.True(t, before[0].Missing && before[0].Differs())

	dry, err := c.Apply(t.Context(), cl, want, kafka.ApplyOptions{DryRun: true})
	require.NoError(t, err)
	assert.True(t, dry[0].Created)
	before, err = c.Check(t.Context(), cl, want)
	require.NoError(t, err)
	assert.True(t, before[0].Missing, "a dry run makes nothing")

	made, err := c.Apply(t.Context(), cl, want, kafka.ApplyOptions{})
	require.NoError(t, err)
	for _, o := range made {
		assert.True(t, o.Created)
		assert.False(t, o.Differs())
	}
	details, err := kadm.NewClient(cl).ListTopics(t.Context(), "raw")
	require.NoError(t, err)
	assert.Len(t, details["raw"].Partitions, 12)

	again, err := c.Apply(t.Context(), cl, want, kafka.ApplyOptions{})
	require.NoError(t, err)
	assert.Equal(t, []kafka.Outcome{{Topic: "raw"}, {Topic: "plain"}}, again)
}

func TestApplyChanges(t *testing.T) {
	_, c, cl := cluster(t)
	topic := raw()
	topic.Partitions = 6
	_, err := c.Apply(t.Context(), cl, []kafka.Topic{topic}, kafka.ApplyOptions{})
	require.NoError(t, err)

	topic = raw() // 12 partitions
	topic.Config["retention.ms"] = "1000"
	topic.Config["cleanup.policy"] = "delete, compact" // the same set
	topic.ReplicationFactor = 0                        // not named, not compared

	found, err := c.Check(t.Context(), cl, []kafka.Topic{topic})
	require.NoError(t, err)
	require.Len(t, found[0].Left, 2)
	assert.Equal(t, "partitions: 6, want 12", found[0].Left[0].String())
	assert.Equal(t, "config retention.ms: 604800000, want 1000", found[0].Left[1].String())

	done, err := c.Apply(t.Context(), cl, []kafka.Topic{topic}, kafka.ApplyOptions{})
	require.NoError(t, err)
	require.Len(t, done[0].Changed, 1)
	assert.Equal(t, "config retention.ms", done[0].Changed[0].What)
	require.Len(t, done[0].Left, 1)
	assert.Contains(t, done[0].Left[0].String(), "--raise-partitions")
	assert.True(t, done[0].Differs())

	done, err = c.Apply(t.Context(), cl, []kafka.Topic{topic}, kafka.ApplyOptions{RaisePartitions: true})
	require.NoError(t, err)
	assert.Equal(t, []kafka.Difference{{What: "partitions", Is: "6", Want: "12"}}, done[0].Changed)
	assert.False(t, done[0].Differs())

	found, err = c.Check(t.Context(), cl, []kafka.Topic{topic})
	require.NoError(t, err)
	assert.Equal(t, []kafka.Outcome{{Topic: "raw"}}, found)
}

func TestApplyNeverShrinks(t *testing.T) {
	_, c, cl := cluster(t, kfake.SeedTopics(6, "raw"))
	done, err := c.Apply(t.Context(), cl, []kafka.Topic{{Name: "raw", Partitions: 3}}, kafka.ApplyOptions{RaisePartitions: true})
	require.NoError(t, err)
	require.Len(t, done[0].Left, 1)
	assert.Contains(t, done[0].Left[0].String(), "partitions: 6, want 3 (partitions are never taken away")
	details, err := kadm.NewClient(cl).ListTopics(t.Context(), "raw")
	require.NoError(t, err)
	assert.Len(t, details["raw"].Partitions, 6)
}

func TestApplyTooFewBrokers(t *testing.T) {
	_, c, cl := cluster(t)
	topic := raw()
	topic.ReplicationFactor = 3
	_, err := c.Apply(t.Context(), cl, []kafka.Topic{{Name: "first", Partitions: 1}, topic}, kafka.ApplyOptions{})
	require.EqualError(t, err, "topic raw: a replication factor of 3 needs 3 brokers, and Kafka at "+c.Brokers[0]+" has 1; give this cluster its own with --replication-factor 1")
	found, err := c.Check(t.Context(), cl, []kafka.Topic{{Name: "first", Partitions: 1}})
	require.NoError(t, err)
	assert.True(t, found[0].Missing, "nothing was changed")
}

func TestApplyBrokersRefusal(t *testing.T) {
	b, c, cl := cluster(t)
	b.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		message := "topics need a prefix"
		resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		resp.Topics = []kmsg.CreateTopicsResponseTopic{{Topic: "raw", ErrorCode: kerr.PolicyViolation.Code, ErrorMessage: &message}}
		return resp, nil, true
	})
	_, err := c.Apply(t.Context(), cl, []kafka.Topic{raw()}, kafka.ApplyOptions{})
	require.ErrorIs(t, err, kerr.PolicyViolation)
	assert.ErrorContains(t, err, "cannot create topic raw: the broker refuses: topics need a prefix")
}

// asAlice starts a cluster whose user alice has the permissions given, and no others.
func asAlice(t *testing.T, acls ...kfake.ACL) (kafka.Connection, *kgo.Client) {
	t.Helper()
	b := broker(t, kfake.SeedTopics(3, "raw"), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "admin"), kfake.User("PLAIN", "alice", "s3cret", acls...))
	c := kafka.Connection{Brokers: []string{b.Addr()}, SASLMechanism: "PLAIN", SASLUser: "alice", SASLPasswordFile: file(t, "password", "s3cret")}
	return c, connect(t, c)
}

func allow(op kmsg.ACLOperation, topic string) kfake.ACL {
	return kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: topic, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
}

func TestCheckDenied(t *testing.T) {
	c, cl := asAlice(t)
	_, err := c.Check(t.Context(), cl, []kafka.Topic{{Name: "raw", Partitions: 3}})
	require.ErrorIs(t, err, kafka.ErrDenied)
	require.EqualError(t, err, "no permission to describe topic raw; it needs the ACL Describe: kafka-acls.sh --bootstrap-server "+c.Brokers[0]+" --add --allow-principal User:alice --operation Describe --topic raw")

	c, cl = asAlice(t, allow(kmsg.ACLOperationDescribe, "raw"))
	_, err = c.Check(t.Context(), cl, []kafka.Topic{raw()})
	require.ErrorIs(t, err, kafka.ErrDenied)
	require.ErrorContains(t, err, "no permission to read the configuration of topic raw; it needs the ACL DescribeConfigs")
}

func TestExplain(t *testing.T) {
	c := kafka.Connection{Brokers: []string{"b:9092"}, SASLUser: "alice"}
	for name, e := range map[string]struct {
		err   error
		doing kafka.Doing
		is    error
		want  string
	}{
		"no topic": {kerr.UnknownTopicOrPartition, kafka.Doing{Operation: "Read", Topic: "raw"}, kafka.ErrNoTopic,
			"topic raw does not exist in Kafka at b:9092; make it with: clickstream topics apply FILE, or name another with --topic"},
		"may not read": {kerr.TopicAuthorizationFailed, kafka.Doing{Operation: "Read", Topic: "raw"}, kafka.ErrDenied,
			"no permission to read topic raw; it needs the ACL Read: kafka-acls.sh --bootstrap-server b:9092 --add --allow-principal User:alice --operation Read --topic raw"},
		"may not write": {kerr.TopicAuthorizationFailed, kafka.Doing{Operation: "Write", Topic: "dlq"}, kafka.ErrDenied,
			"no permission to write to topic dlq; it needs the ACL Write: kafka-acls.sh --bootstrap-server b:9092 --add --allow-principal User:alice --operation Write --topic dlq"},
		"may not commit": {kerr.GroupAuthorizationFailed, kafka.Doing{Group: "g"}, kafka.ErrDenied,
			"no permission to read with consumer group g; it needs the ACL Read: kafka-acls.sh --bootstrap-server b:9092 --add --allow-principal User:alice --operation Read --group g"},
		"may not delete a group": {kerr.GroupAuthorizationFailed, kafka.Doing{Operation: "Delete", Group: "g"}, kafka.ErrDenied,
			"no permission to delete consumer group g; it needs the ACL Delete: kafka-acls.sh --bootstrap-server b:9092 --add --allow-principal User:alice --operation Delete --group g"},
		"may not create": {kerr.ClusterAuthorizationFailed, kafka.Doing{Operation: "Create", Topic: "dlq"}, kafka.ErrDenied,
			"no permission to create topic dlq; it needs the ACL Create: kafka-acls.sh --bootstrap-server b:9092 --add --allow-principal User:alice --operation Create --topic dlq"},
		"a topic's name": {kerr.InvalidTopicException, kafka.Doing{Operation: "Read", Topic: "a b"}, kafka.ErrNoTopic,
			`"a b" is no valid topic name; it may hold letters, digits, '.', '_' and '-', 249 at most`},
		"anything else": {kerr.NotLeaderForPartition, kafka.Doing{Operation: "Write", Topic: "raw"}, kerr.NotLeaderForPartition,
			"cannot write to topic raw: " + kerr.NotLeaderForPartition.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.Explain(e.err, e.doing)
			require.EqualError(t, err, e.want)
			require.ErrorIs(t, err, e.is)
			require.ErrorIs(t, err, e.err)
			assert.Equal(t, err, c.Explain(err, kafka.Doing{}), "once is enough")
		})
	}
	assert.NoError(t, c.Explain(nil, kafka.Doing{Topic: "raw"}))
}

func TestEnsureDeadLetter(t *testing.T) {
	_, c, cl := cluster(t)
	source := raw()
	source.Config = map[string]string{"max.message.bytes": "2000000"}
	_, err := c.Apply(t.Context(), cl, []kafka.Topic{source}, kafka.ApplyOptions{})
	require.NoError(t, err)

	created, err := c.EnsureDeadLetter(t.Context(), cl, "raw", "dlq")
	require.NoError(t, err)
	assert.True(t, created)
	found, err := c.Check(t.Context(), cl, []kafka.Topic{{
		Name: "dlq", Partitions: 12, ReplicationFactor: 1, Config: map[string]string{"max.message.bytes": "2065536"},
	}})
	require.NoError(t, err)
	assert.Equal(t, []kafka.Outcome{{Topic: "dlq"}}, found)

	created, err = c.EnsureDeadLetter(t.Context(), cl, "raw", "dlq")
	require.NoError(t, err)
	assert.False(t, created)
}

func TestEnsureDeadLetterOfNothing(t *testing.T) {
	_, c, cl := cluster(t)
	_, err := c.EnsureDeadLetter(t.Context(), cl, "raw", "dlq")
	require.ErrorIs(t, err, kafka.ErrNoTopic)
	require.ErrorContains(t, err, "topic raw does not exist")
}

func TestEnsureDeadLetterDenied(t *testing.T) {
	c, cl := asAlice(t, allow(kmsg.ACLOperationRead, "raw"), allow(kmsg.ACLOperationDescribe, "dlq"))
	_, err := c.EnsureDeadLetter(t.Context(), cl, "raw", "dlq")
	require.ErrorIs(t, err, kafka.ErrDenied)
	require.EqualError(t, err, "the dead letter topic dlq does not exist and cannot be made (no permission to create topic dlq); have it made with: "+
		"kafka-topics.sh --bootstrap-server "+c.Brokers[0]+" --create --topic dlq --partitions 3 --replication-factor 1 --config max.message.bytes=1114124")
}

func TestEnsureDeadLetterHidden(t *testing.T) {
	c, cl := asAlice(t, allow(kmsg.ACLOperationRead, "raw"))
	_, err := c.EnsureDeadLetter(t.Context(), cl, "raw", "dlq")
	require.ErrorIs(t, err, kafka.ErrDenied)
	require.ErrorContains(t, err, "the dead letter topic dlq cannot be used: no permission to write to topic dlq; it needs the ACL Write: ")
	require.ErrorContains(t, err, "; where it does not exist, have it made with: kafka-topics.sh --bootstrap-server "+c.Brokers[0]+" --create --topic dlq --partitions 3")
}

// TestEnsureDeadLetterWaits until the broker that answers knows of the topic, whoever made it.
func TestEnsureDeadLetterWaits(t *testing.T) {
	for name, others := range map[string][]string{"its own": nil, "another's": {"dlq"}} {
		t.Run(name, func(t *testing.T) {
			b, c, cl := cluster(t, kfake.SeedTopics(3, append(others, "raw")...))
			kafkatest.LearnsLate(b, "dlq", 5)
			created, err := c.EnsureDeadLetter(t.Context(), cl, "raw", "dlq")
			require.NoError(t, err)
			assert.Equal(t, others == nil, created)
			ends, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), "dlq")
			require.NoError(t, err)
			require.NoError(t, ends.Error())
			assert.Len(t, ends["dlq"], 3)
		})
	}
}

func TestEnsureDeadLetterGivesUp(t *testing.T) {
	b, c, cl := cluster(t, kfake.SeedTopics(3, "raw"))
	kafkatest.LearnsLate(b, "dlq", math.MaxInt32)
	c.RetryTimeout = 200 * time.Millisecond
	_, err := c.EnsureDeadLetter(t.Context(), cl, "raw", "dlq")
	require.EqualError(t, err, "topic dlq was made, and 0 of its 3 partitions have a leader after 200ms; look at the brokers of Kafka at "+c.Brokers[0]+", and run again")
}

func TestEnsureDeadLetterStops(t *testing.T) {
	_, c, cl := cluster(t, kfake.SeedTopics(1, "raw"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.EnsureDeadLetter(ctx, cl, "raw", "dlq")
	require.ErrorIs(t, err, context.Canceled)
}
