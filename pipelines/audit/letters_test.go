package audit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
)

// TestOffsetsAreASet compares the bits with a map, asked in any order.
func TestOffsetsAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s offsets
		model := map[int64]bool{}
		offset := rapid.OneOf(rapid.Int64Range(0, 200), rapid.Int64Range(1<<blockBits-3, 1<<blockBits+3), rapid.Int64Range(1<<60, 1<<60+5))
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				o := offset.Draw(t, "offset")
				s.add(o)
				model[o] = true
			},
			"has": func(t *rapid.T) {
				o := offset.Draw(t, "offset")
				require.Equal(t, model[o], s.has(o))
			},
		})
	})
}

// TestATopicThatGoesMeanwhile deletes it while it is read.
func TestATopicThatGoesMeanwhile(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	topic := c.Topic(t, 1)
	c.Produce(t, topic, &kgo.Record{})
	of := feed{
		connection: kafka.Connection{Brokers: c.Brokers, RetryTimeout: time.Minute},
		doing:      kafka.Doing{Operation: "Read", Topic: topic, Flag: kafka.DeadLetterFlag},
	}
	err := of.read(t.Context(), []partition{{id: 0, next: 0, end: 2}}, func(int, []*kgo.Record) error {
		_, err := kadm.NewClient(c.Client(t)).DeleteTopic(t.Context(), topic)
		return err
	})
	require.ErrorIs(t, err, kafka.ErrNoTopic)
	require.ErrorContains(t, err, "topic "+topic+" does not exist")
	require.ErrorContains(t, err, "or name another with --dead-letter-topic")
}
