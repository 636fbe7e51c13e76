package dlq_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/pipelines/enrichment"
	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
	"clickstream/transforms/click"
	"clickstream/transforms/enrich"
)

// event returns a click of an event, by a schema.
func (s *shop) event(schema int, partition int32, id string, seconds int) *kgo.Record {
	s.Helper()
	at := noon.Add(time.Duration(seconds) * time.Second)
	avro, err := clicks.BinaryFromNative(nil, map[string]any{"event_id": id, "user_id": "u", "page_url": "/" + id, "timestamp": at.UnixMilli(), "session_id": nil})
	require.NoError(s, err)
	return &kgo.Record{Partition: partition, Timestamp: at, Value: kafkatest.Frame(schema, avro)}
}

// enrich enriches what there is, and returns how it went.
func (s *shop) enrich(into string, more ...string) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	plan, err := enrichment.Prepare(ctx, settle[settings.Enrich](s.desk, append([]string{
		"--registry", s.registry, "--enriched-topic", into, "--group", into, "--start", "earliest", "--until", "latest",
	}, more...)...))
	require.NoError(s, err)
	require.NoError(s, enrichment.Run(ctx, plan))
	return enrichment.Summary(plan, time.Second)
}

// TestReplayedClicksAreEnrichedOnce replays a click that came too late for its window, and had been enriched, and one that
// nobody could read before.
func TestReplayedClicksAreEnrichedOnce(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for _, sessions := range []string{"--sessions", "--no-sessions"} {
			t.Run(sessions[2:], func(t *testing.T) {
				s := openShop(t, c)
				into := c.Topic(t, 2)
				s.cluster.Produce(t, s.topic, s.event(s.good, 0, "first", 5), s.event(s.good, 1, "far", 3*3600))
				s.run()
				s.cluster.Produce(t, s.topic, s.event(s.good, 0, "late", 65), s.event(s.broken, 1, "unread", 70))
				s.run()
				s.enrich(into, sessions)
				enriched := func() (all map[string]oracle.Enriched) {
					all = map[string]oracle.Enriched{}
					for _, rec := range s.committed(into) {
						e, err := oracle.ReadEnriched(enrich.Schema, rec)
						require.NoError(t, err)
						require.NotContains(t, all, e.EventID, "it was enriched twice")
						all[e.EventID] = e
					}
					return all
				}
				before := enriched()
				require.Len(t, before, 3)

				s.fixed.Store(true)
				done := s.replay(s.flags("--rebuild")...)
				assert.Equal(t, map[click.Reason]int64{click.TooLate: 1, click.UnknownSchema: 1}, done.Reasons)
				assert.Contains(t, s.enrich(into, sessions), "wrote 1 clicks to topic "+into+", rejected 0, skipped 1 late clicks that were replayed")
				after := enriched()
				require.Len(t, after, 4)
				assert.Equal(t, after["first"].Session, after["unread"].Session)
				delete(after, "unread")
				assert.Equal(t, before, after, "what was written is as it was")
				s.verify()
				s.right()
			})
		}
	})
}
