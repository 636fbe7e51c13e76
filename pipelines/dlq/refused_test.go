package dlq_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
)

func TestReplayIntoATopicThatIsGone(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 1)
		d.rejected(0, 1, click.JSON)
		d.topic = c.Name(t)
		_, err := d.tryReplay(t.Context())
		require.ErrorIs(t, err, kafka.ErrNoTopic)
		refused(t, err, "topic "+d.topic+" does not exist", "topics apply FILE")
	})
}

func TestReplayIntoTheDeadLetterTopic(t *testing.T) {
	_, err := parse[settings.DLQReplay]([]string{"--topic", "letters", "--dead-letter-topic", "letters"})
	refused(t, err, "--topic is --dead-letter-topic, letters", "name the topic that they came from")
}

// TestReplayIntoATopicMadeAgain finds out by offsets, by partitions, or by what an earlier replay noted, that the topic is
// not the one that the records came from.
func TestReplayIntoATopicMadeAgain(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 2)
		d.rejected(0, 3, click.JSON)
		d.rejected(1, 3, click.JSON)
		d.replay("--partition", "0")
		c.MakeAgain(t, d.topic, 1)
		_, err := d.tryReplay(t.Context())
		refused(t, err, "topic "+d.topic+" was deleted and made again since the replay of", "--since TIME")

		another := newDesk(t, c, 2)
		another.rejected(1, 2, click.JSON)
		c.MakeAgain(t, another.topic, 2)
		_, err = another.tryReplay(t.Context())
		refused(t, err, "dead letter 1:0 is of offset 0 of topic "+another.topic+" partition 1, which ends at 0", "--since TIME")
		c.MakeAgain(t, another.topic, 1)
		_, err = another.tryReplay(t.Context())
		refused(t, err, "dead letter 1:0 is of partition 1 of topic "+another.topic+", which has partitions 0 to 0 now")
		c.MakeAgain(t, another.topic, 2)
		c.Produce(t, another.topic, &kgo.Record{Partition: 1, Timestamp: time.Now().Add(time.Hour)})
		_, err = another.tryReplay(t.Context()) // the first could be of it
		refused(t, err, "dead letter 1:1 is of offset 1 of topic "+another.topic+" partition 1, which ends at 1")
		assert.Empty(t, another.replayed())

		since := time.Now().Add(time.Hour).Format(time.RFC3339)
		assert.Zero(t, another.replay("--since", since).Replayed)
	})
}

func TestReplayOfAPartitionThatIsNot(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 1)
		d.rejected(0, 1, click.JSON)
		_, err := d.tryReplay(t.Context(), "--partition", "7")
		refused(t, err, "topic "+d.letters+" has no partition 7; it has 1, from 0")
	})
}

// TestReplayTooLarge leaves a record alone that the topic does not take any more, and replays the others.
func TestReplayTooLarge(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 1)
		d.topic = c.Topic(t, 1, "max.message.bytes", "3000")
		d.rejected(0, 1, click.JSON)
		large := &kgo.Record{Value: make([]byte, 2900)}
		c.Produce(t, d.topic, large)
		c.Produce(t, d.letters, d.letter(large, click.JSON))
		done := d.replay()
		assert.EqualValues(t, 1, done.Replayed)
		assert.EqualValues(t, 1, done.Skipped.TooLarge)
	})
}

// TestReplayWithoutPermission names the permission that is missing, one after the other.
func TestReplayWithoutPermission(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c.SASL(t), 1)
		d.rejected(0, 5, click.JSON)
		as := func(u kafkatest.User, more ...string) []string {
			return append([]string{"--sasl-mechanism", "PLAIN", "--sasl-user", u.Name, "--sasl-password-file", u.PasswordFile(t)}, more...)
		}
		_, err := d.tryReplay(t.Context(), as(kafkatest.Watcher, "--dry-run")...)
		require.ErrorIs(t, err, kafka.ErrDenied)
		refused(t, err, "no permission to read topic "+d.letters, "--operation Read --topic "+d.letters)

		id := "clickstream-replay/" + d.letters + "/" + d.topic
		_, err = d.tryReplay(t.Context(), as(kafkatest.Worker)...)
		require.ErrorIs(t, err, kafka.ErrDenied)
		refused(t, err, "no permission to write to transactional.id "+id, "--allow-principal User:worker --operation Write --operation Describe --transactional-id "+id)

		d.cluster.AddACLs(t, kafkatest.Worker.Allowed(kadm.OpWrite, kadm.OpDescribe).TransactionalIDs(id))
		for _, topic := range []string{d.topic, d.letters} {
			denied := kafkatest.Worker.Denied(kadm.OpWrite).Topics(topic)
			d.cluster.AddACLs(t, denied)
			_, err = d.tryReplay(t.Context(), as(kafkatest.Worker)...)
			require.ErrorIs(t, err, kafka.ErrDenied)
			require.ErrorContains(t, err, "no permission to write to topic "+topic)
			d.cluster.RemoveACLs(t, denied)
		}
		_, err = d.tryReplay(t.Context(), as(kafkatest.Worker)...)
		require.NoError(t, err)
		assert.Len(t, d.replayed(), 5)
	})
}
