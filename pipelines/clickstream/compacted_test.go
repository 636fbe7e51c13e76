package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/testing/kafkatest"
)

// TestACompactedTopic wants to be told of, unless each event is counted once.
func TestACompactedTopic(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		compacted, kept := c.Topic(t, 1, "cleanup.policy", "compact,delete"), c.Topic(t, 1)
		for _, topic := range []string{compacted, kept} {
			c.Produce(t, topic, &kgo.Record{Key: []byte("e"), Value: jsonClick(t, "/", time.Now())})
		}
		count := func(topic string, more ...string) string {
			return strings.Join(begin(t, append([]string{"run", "--brokers", strings.Join(c.Brokers, ","), "--topic", topic, "--dead-letter-topic", c.Topic(t, 1),
				"--group", c.Name(t), "--format", "json", "--start", "earliest", "--until", "latest", "--table", filepath.Join(t.TempDir(), "views")}, more...)...).ends(), "\n")
		}
		said := count(compacted)
		assert.Contains(t, said, "the topic is compacted: clicks that stand in it twice count twice")
		assert.Contains(t, said, "--dedupe event_id")
		assert.NotContains(t, count(compacted, "--dedupe", "event_id"), "compacted")
		assert.NotContains(t, count(kept), "compacted")
	})
}
