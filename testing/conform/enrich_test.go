package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
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

// TestEnrichOnFlink enriches clicks while they come, and kills the workers meanwhile.
func TestEnrichOnFlink(t *testing.T) {
	rest := kafkatest.Named(t, flinkRESTVar, howToRunners)
	s := newSuite(t)
	for _, sessions := range []string{"--sessions", "--no-sessions"} {
		t.Run(sessions[2:], func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			t.Cleanup(cancel)
			c := kafkatest.FindReal(t)
			topic, enriched, letters := c.Topic(t, 4), c.Topic(t, 3), c.Topic(t, 1)
			admin := kadm.NewClient(c.Client(t))
			written := func() (n int64) {
				ends, err := admin.ListEndOffsets(ctx, enriched)
				require.NoError(t, err)
				ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
				return n
			}
			port := kafkatest.FreePort(t)
			r := runner{
				name: "flink", flag: "flink", endpoint: os.Getenv(flinkVar), rest: rest, environment: "external", config: "localhost:" + port,
				more: []string{"--readers", "2", "--parallelism", "2"},
			}
			workers := pool(ctx, t, s, port)
			words := append([]string{
				"enrich", "--log-format", "json", "--log-level", "debug", "--format", "json", "--topic", topic, "--enriched-topic", enriched,
				"--dead-letter-topic", letters, "--group", topic, "--start", "earliest", "--watermark-delay", "1s", "--idle-timeout", "2s",
				"--session-gap", "1500ms", "--checkpoint-interval", "1s", sessions,
			}, r.flags()...)
			run, err := launch(s.command(ctx, words...), nil)
			require.NoError(t, err)
			t.Cleanup(func() {
				run.interrupt()
				<-run.ended
				if name, err := run.job(context.WithoutCancel(ctx)); err == nil {
					assert.NoError(t, r.cancel(context.WithoutCancel(ctx), name))
				}
			})
			grows := func() {
				t.Helper()
				for range 2 { // what was on its way is not enough
					enough := written() + 500
					require.Eventually(t, func() bool {
						select {
						case <-run.ended:
							require.NoError(t, run.succeeds())
							require.Fail(t, "a run that goes on has ended")
						default:
						}
						return written() >= enough
					}, patience, 100*time.Millisecond)
				}
			}

			visits := beginVisits(ctx, t, c, topic)
			grows()
			workers.kill()
			pool(ctx, t, s, port)
			grows()
			clicks, bad := visits()

			read := map[string]oracle.Enriched{}
			var records, rejects int
			require.Eventually(t, func() bool {
				records = 0
				for _, rec := range c.Read(t, enriched) {
					e, err := oracle.ReadEnriched(enrich.Schema, rec)
					require.NoError(t, err)
					if had, twice := read[e.EventID]; twice {
						require.Equal(t, had, e, "a click that is written again is told the same")
					}
					read[e.EventID] = e
					records++
				}
				rejects = len(c.Read(t, letters))
				return len(read) >= clicks && rejects >= bad
			}, patience, time.Second)
			assert.Len(t, read, clicks)
			if sessions == "--sessions" {
				var all []oracle.Enriched
				for _, e := range read {
					all = append(all, e)
				}
				want := oracle.Sessions(all, 1500*time.Millisecond)
				assert.Greater(t, len(want), 50)
				assert.Equal(t, want, oracle.Told(all))
			} else {
				assert.Equal(t, clicks, records, "each click once")
				assert.Equal(t, bad, rejects, "each dead letter once")
			}
		})
	}
}

// beginVisits begins to write clicks of now, out of order by less than the watermark's delay, and some records that are
// none. What it returns ends that, and returns how many of both there are.
func beginVisits(ctx context.Context, t *testing.T, c *kafkatest.Cluster, topic string) func() (clicks, bad int) {
	t.Helper()
	producing, stop := context.WithCancel(ctx)
	var clicks, bad int
	var done sync.WaitGroup
	done.Go(func() {
		random := rand.New(rand.NewPCG(5, 6))
		beat := time.NewTicker(50 * time.Millisecond)
		defer beat.Stop()
		for producing.Err() == nil {
			<-beat.C
			now := time.Now()
			records := []*kgo.Record{{Partition: random.Int32N(4), Value: []byte("no click"), Timestamp: now}}
			bad++
			for range 20 {
				value, err := json.Marshal(map[string]any{
					"event_id": fmt.Sprint(clicks), "user_id": fmt.Sprint("user-", random.IntN(500)), "page_url": "/",
					"timestamp": now.UnixMilli() - random.Int64N(700),
				})
				if err != nil {
					t.Error(err)
					return
				}
				records = append(records, &kgo.Record{Partition: random.Int32N(4), Value: value, Timestamp: now})
				clicks++
			}
			c.Produce(t, topic, records...)
		}
	})
	end := func() (int, int) {
		stop()
		done.Wait()
		return clicks, bad
	}
	t.Cleanup(func() { end() })
	return end
}
