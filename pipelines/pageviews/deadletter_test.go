package pageviews_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/pipelines/pageviews"
	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
)

func TestDeadLetterTopicIsMade(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 7, "--format", "json")
		told := func() []string {
			return log.with("the dead letter topic did not exist and was made", j.settings.DeadLetterTopic, "partitions=7")
		}
		require.Empty(t, told())
		j.run()
		require.Len(t, told(), 1)
		topics, err := j.admin().ListTopics(t.Context(), j.settings.DeadLetterTopic)
		require.NoError(t, err)
		assert.Len(t, topics[j.settings.DeadLetterTopic].Partitions, 7)
		j.run()
		require.Len(t, told(), 1, "it is there by now")
	})
}

func TestDeadLetterTopicThatMayNotBeMade(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		secure := c.SASL(t)
		j := newJob(t, secure, 3, as(t, kafkatest.Worker, "--format", "json")...)
		_, err := pageviews.Prepare(t.Context(), &j.settings)
		refused(t, err, "dead letter topic "+j.settings.DeadLetterTopic, "does not exist and cannot be made",
			fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions 3 --replication-factor 1", secure.Brokers[0], j.settings.DeadLetterTopic))

		_, err = j.admin().CreateTopic(t.Context(), 3, 1, nil, j.settings.DeadLetterTopic)
		require.NoError(t, err)
		eventually(t, func() bool { _, err = pageviews.Prepare(t.Context(), &j.settings); return err == nil }, "the topic is there and the run is refused: %v", err)
	})
}

// as returns the flags of a user, behind others.
func as(t *testing.T, u kafkatest.User, flags ...string) []string {
	t.Helper()
	return append(flags, "--sasl-mechanism", "PLAIN", "--sasl-user", u.Name, "--sasl-password-file", u.PasswordFile(t), "--retry-timeout", "5s")
}

// TestDeadLettersThatCannotBeWritten stops the job rather than lose them. Once the cause is gone, the next run
// brings all.
func TestDeadLettersThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		breaks, mends func(*job)
		says          []string
	}{
		"topic deleted": {
			func(j *job) {
				_, err := j.admin().DeleteTopic(j.Context(), j.settings.DeadLetterTopic)
				require.NoError(j, err)
				eventually(j.T, func() bool { // a broker takes letters until it has heard of it
					topics, err := j.admin().ListTopics(j.Context(), j.settings.DeadLetterTopic)
					return err == nil && errors.Is(topics[j.settings.DeadLetterTopic].Err, kerr.UnknownTopicOrPartition)
				}, "the topic is still there")
			},
			func(j *job) { j.makeDeadLetterTopic() },
			[]string{"does not exist", "or no longer; make it"},
		},
		"not permitted": {
			func(j *job) { j.cluster.AddACLs(j.T, j.mayNotWriteDeadLetters()) },
			func(j *job) { j.cluster.RemoveACLs(j.T, j.mayNotWriteDeadLetters()) },
			[]string{"no permission to write to topic", "it needs the ACL Write", "--allow-principal User:worker"},
		},
		"records too large": {
			func(j *job) { j.limitDeadLetters("2000") },
			func(j *job) { j.limitDeadLetters("20000") },
			[]string{"a record of 52", "kafka-configs.sh", "--add-config max.message.bytes=1048576"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
				t.Parallel()
				j := newJob(t, c.SASL(t), 2, as(t, kafkatest.Worker, live...)...)
				j.makeDeadLetterTopic()
				r := j.start()
				j.produce(j.click(0, "/", noon), j.click(1, "/", noon))
				r.reads(2)
				test.breaks(j)
				j.produce(&kgo.Record{Partition: 1, Timestamp: noon, Value: []byte(noise[:5000])}, j.click(1, "/", noon))
				refused(t, r.wait(), append(test.says, "dead letters cannot be written", "the job stops rather than lose them", j.settings.DeadLetterTopic)...)
				j.settings.Until.Word = settings.Latest
				require.Error(t, j.attempt())
				assert.Empty(t, j.rows(), "what was counted with them is not committed")

				test.mends(j)
				eventually(t, func() bool { return j.attempt() == nil }, "the job does not run when the cause is gone")
				j.exact()
				assert.Len(t, j.letters(), 1)
				assert.Equal(t, map[oracle.Key]int64{j.row("/", noon): 3}, j.rows())
			})
		})
	}
}

func (j *job) mayNotWriteDeadLetters() *kadm.ACLBuilder {
	return kafkatest.Worker.Denied(kadm.OpWrite).Topics(j.settings.DeadLetterTopic)
}

// attempt runs the job, and returns how it ended.
func (j *job) attempt() error {
	p, err := pageviews.Prepare(j.Context(), &j.settings)
	if err == nil {
		err = pageviews.Run(j.Context(), p)
	}
	return err
}

func (j *job) makeDeadLetterTopic() {
	j.Helper()
	j.cluster.MakeTopic(j.T, j.settings.DeadLetterTopic, 1)
}

func (j *job) limitDeadLetters(bytes string) {
	j.Helper()
	set := kadm.AlterConfig{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &bytes}
	done, err := j.admin().AlterTopicConfigs(j.Context(), []kadm.AlterConfig{set}, j.settings.DeadLetterTopic)
	require.NoError(j, err)
	require.NoError(j, done[0].Err)
	require.EventuallyWithT(j, func(t *assert.CollectT) { // a broker learns of it after the answer
		all, err := j.admin().DescribeTopicConfigs(j.Context(), j.settings.DeadLetterTopic)
		require.NoError(t, err)
		assert.True(t, slices.ContainsFunc(all[0].Configs, func(c kadm.Config) bool { return c.Key == set.Name && c.MaybeValue() == bytes }))
	}, patience, 20*time.Millisecond, "the broker does not learn of the limit")
}

func TestNarrowDeadLetterTopicIsToldAtTheStart(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 1, "--format", "json")
		j.makeDeadLetterTopic()
		j.limitDeadLetters("2000")
		j.run()
		assert.Len(t, log.with("level=WARN", "takes smaller records than the source", j.settings.DeadLetterTopic, "--add-config max.message.bytes="), 1)
	})
}

// TestDeadLetterTopicOfUnknownSize rejects a large record as a user who may not ask how large records may be.
func TestDeadLetterTopicOfUnknownSize(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c.SASL(t), 1, as(t, kafkatest.Worker, "--format", "json")...)
		j.makeDeadLetterTopic()
		j.limitDeadLetters("16000000")
		j.cluster.AddACLs(t, kafkatest.Worker.Denied(kadm.OpDescribeConfigs).Topics(j.settings.DeadLetterTopic))
		j.produce(&kgo.Record{Value: []byte(noise10MB())})
		refused(t, j.attempt(), "a record of 104", "--add-config max.message.bytes=11534336", "needs the ACL DescribeConfigs")
	})
}

// TestDeadLettersComeBackThroughTheSource replays a dead letter that is no click still: its new dead letter tells
// of its new place, once.
func TestDeadLettersComeBackThroughTheSource(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 1, "--format", "json")
		j.produce(&kgo.Record{Value: []byte("no click"), Headers: sent})
		j.run()
		first := j.letters()
		require.Len(t, first, 1)
		j.produce(&kgo.Record{Value: first[0].Value, Headers: first[0].Headers})
		j.run()
		letters := j.letters()
		again := letters[len(letters)-1]
		assert.Equal(t, oracle.Place{Offset: 1}, again.place())
		assert.Len(t, again.Headers, len(first[0].Headers))
	})
}
