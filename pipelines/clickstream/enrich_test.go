package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
	"clickstream/transforms/enrich"
)

// visit returns the i-th click of a test: some seconds after the one before, give or take, by one of a hundred users. Every
// 40th record is no click.
func visit(t *testing.T, random *rand.Rand, i int) *kgo.Record {
	t.Helper()
	r := &kgo.Record{Partition: random.Int32N(4), Value: []byte("no click")}
	if i%40 == 0 {
		return r
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(i)*2*time.Second - time.Duration(random.IntN(8_000))*time.Millisecond)
	value, err := json.Marshal(map[string]any{
		"event_id": fmt.Sprintf("event-%06d", i), "user_id": fmt.Sprint("user-", random.IntN(100)), "page_url": fmt.Sprint("HTTP://Shop.example:80/", i), "timestamp": at.UnixMilli(),
	})
	require.NoError(t, err)
	r.Value, r.Timestamp = value, at
	return r
}

// TestEnrichIsKilled kills runs that go on where the ones before came to, until one reads the rest.
func TestEnrichIsKilled(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for _, sessions := range []string{"--sessions", "--no-sessions"} {
			t.Run(sessions[2:], func(t *testing.T) {
				t.Parallel()
				topic, enriched, letters, group := c.Topic(t, 4), c.Topic(t, 3), c.Topic(t, 2), c.Name(t)
				flags := []string{
					"enrich", "--brokers", strings.Join(c.Brokers, ","), "--registry", c.Registry, "--format", "json", "--start", "earliest", sessions,
					"--topic", topic, "--enriched-topic", enriched, "--dead-letter-topic", letters, "--group", group,
				}
				admin := kadm.NewClient(c.Client(t))
				written := func() (n int64) {
					ends, err := admin.ListEndOffsets(t.Context(), enriched)
					require.NoError(t, err)
					ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
					return n
				}
				const parts, part = 5, 2_000
				random, bad := rand.New(rand.NewPCG(3, 4)), 0
				for i := range parts {
					var records []*kgo.Record
					for j := range part {
						records = append(records, visit(t, random, i*part+j))
						if len(records[j].Value) < 10 {
							bad++
						}
					}
					before := written()
					r := begin(t, flags...)
					r.says("reading")
					c.Produce(t, topic, records...)
					enough := before + 1 + random.Int64N(part/2)
					require.Eventually(t, func() bool { return written() >= enough }, patience, time.Millisecond)
					require.NoError(t, r.Process.Kill())
					<-r.ended
				}
				said := strings.Join(begin(t, append(flags, "--until", "latest")...).ends(), "\n")
				assert.Contains(t, said, "going on where the group is")

				clicks := map[string]oracle.Enriched{}
				read := c.Read(t, enriched)
				for _, rec := range read {
					e, err := oracle.ReadEnriched(enrich.Schema, rec)
					require.NoError(t, err)
					var i int
					_, err = fmt.Sscanf(e.EventID, "event-%d", &i)
					require.NoError(t, err)
					assert.Equal(t, fmt.Sprint("http://shop.example/", i), e.PageURL)
					if had, twice := clicks[e.EventID]; twice {
						assert.Equal(t, had, e, "a click that is written again is told the same")
					}
					clicks[e.EventID] = e
				}
				assert.Len(t, clicks, parts*part-bad)
				if sessions == "--sessions" {
					var all []oracle.Enriched
					for _, e := range clicks {
						all = append(all, e)
					}
					want := oracle.Sessions(all, 30*time.Minute)
					assert.Greater(t, len(want), 100)
					assert.Equal(t, want, oracle.Told(all))
					assert.GreaterOrEqual(t, len(c.Read(t, letters)), bad)
				} else {
					assert.Len(t, read, parts*part-bad, "each click once")
					assert.Len(t, c.Read(t, letters), bad, "each dead letter once")
				}
			})
		}
	})
}
