package enrichment_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
	"clickstream/transforms/enrich"
)

func (j *job) note() enrich.Note {
	j.Helper()
	at, err := kafka.FetchPosition(j.Context(), kadm.NewClient(j.cluster.Client(j.T)), j.settings.Group, j.settings.Topic)
	require.NoError(j, err)
	return enrich.ParseNote(at.Note)
}

// TestARunWithoutSessions has one between others take nothing from them: where sessions go on stays known.
func TestARunWithoutSessions(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		j := newJob(t, c, 2, "--sessions")
		all := visits(rand.New(rand.NewPCG(3, 4)), 2, 400)
		j.produce(all[:200]...)
		assert.Equal(t, j.run().Pipeline, j.note().Run)
		until := j.note().Until
		assert.Positive(t, until)

		j.settings.Sessions = false
		assert.Equal(t, enrich.Note{Run: j.run().Pipeline, Until: until}, j.note())

		j.settings.Sessions = true
		j.produce(all[200:]...)
		j.run()
		j.atEnd()
		assert.Greater(t, j.note().Until, until)
		got := j.enriched()
		assert.Len(t, got, len(all))
		assert.Equal(t, oracle.Sessions(got, j.settings.SessionGap), oracle.Told(got))
	})
}

// TestSessionsBehindRejects has a bundle of nothing but rejects come between two parts of a session, long ago: the second run
// still takes the first one's up.
func TestSessionsBehindRejects(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		j := newJob(t, c, 1, "--sessions")
		all := visits(rand.New(rand.NewPCG(5, 6)), 1, 300)
		j.produce(all[:150]...)
		j.run()
		bad := click(0, map[string]any{"event_id": "bad", "timestamp": int(noon.UnixMilli())})
		j.produce(bad)
		j.run()
		assert.Less(t, j.note().Until, noon.UnixMilli()+4*3600_000, "it is of the clicks, and not of the day on which they are read")
		j.produce(all[150:]...)
		j.run()
		got := j.enriched()
		assert.Len(t, got, len(all))
		assert.Equal(t, oracle.Sessions(got, j.settings.SessionGap), oracle.Told(got))
	})
}
