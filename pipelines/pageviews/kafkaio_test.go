package pageviews_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"clickstream/testing/kafkatest"
)

// TestExpansionServiceThatIsNone is told to read by KafkaIO where nobody listens, and where a broker does.
func TestExpansionServiceThatIsNone(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartEmbedded(t)
	nobody := nobodyListens(t)
	for service, says := range map[string]string{
		nobody:       "cannot be reached",
		c.Brokers[0]: "is no expansion service of Beam's",
	} {
		j := newJob(t, c, 1, "--format", "json", "--until", "never", "--runner", "flink", "--endpoint", nobody, "--source", "kafkaio", "--expansion-service", service)
		j.isRefused(15*time.Second, "expansion service", service, says, "correct --expansion-service")
		assert.NoDirExists(t, j.settings.Table)
	}
}
