package pageviews_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/table"
	"clickstream/pipelines/pageviews"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
)

// TestTopOverRestarts has the top of a window change with a run that goes on: clicks of pages that are not in the table
// count in it again.
func TestTopOverRestarts(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"delta", "parquet"} {
		t.Run(format, func(t *testing.T) {
			kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
				j := newJob(t, c, 2, "--format", "json", "--table-format", format, "--top", "1")
				j.produce(j.click(0, "/b", noon), j.click(0, "/b", noon), j.click(0, "/a", noon), j.click(1, "/c", noon))
				j.run()
				assert.Equal(t, map[oracle.Key]int64{j.row("/b", noon): 2}, j.rows())
				j.produce(j.click(1, "/a", noon))
				j.run()
				assert.Equal(t, map[oracle.Key]int64{j.row("/a", noon): 2}, j.rows(), "as many as /b")
				j.produce(j.click(0, "/c", noon.Add(time.Second)), j.click(1, "/c", noon.Add(time.Minute)))
				j.run()
				j.exact()

				j.settings.Top = 0
				_, err := pageviews.Prepare(t.Context(), &j.settings)
				require.ErrorContains(t, err, "with --top 1, not with no optional step: choose another folder, or name the same options")
			})
		})
	}
}

// TestEventsCountOnce has events come again in the ways in which they do: in the same and in another partition, with
// another page, in another window, after a restart, and after their window is final.
func TestEventsCountOnce(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"delta", "parquet"} {
		t.Run(format, func(t *testing.T) {
			kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
				j := newJob(t, c, 2, "--format", "json", "--table-format", format, "--dedupe", "event_id", "--allowed-lateness", "2m", "--clock-skew", "30m")
				click := func(partition int32, id, page string, seconds int) {
					j.produce(j.event(partition, event{id: id, user: "u", page: page, at: noon.Add(time.Duration(seconds) * time.Second)}))
				}
				click(0, "1", "/a", 0)
				click(0, "1", "/a", 0)  // a producer that tried again
				click(1, "1", "/a", 30) // and once more, after its topic had more partitions
				click(0, "2", "/b", 1)
				click(1, "2", "/a/", 2) // less than /b: whichever comes first, it counts
				click(1, "3", "/only-ever-twice", 3)
				click(0, "3", "/on", 3)
				click(0, "1", "/a", 60) // of another window, and so of another time
				plan := j.run()
				rows := map[oracle.Key]int64{j.row("/a", noon): 1, j.row("/a/", noon): 1, j.row("/on", noon): 1, j.row("/a", noon.Add(time.Minute)): 1}
				assert.Equal(t, rows, j.rows())
				assert.EqualValues(t, 8, plan.Progress().Counted)
				assert.EqualValues(t, 4, plan.Progress().Duplicates)
				assert.Contains(t, pageviews.Summary(plan, time.Second), "counted 8, 4 of them duplicates, rejected 0")

				// What is read again is no duplicate, and what comes again is one.
				plan = j.run()
				assert.Zero(t, plan.Progress().Windows, "nothing is new")
				assert.EqualValues(t, 4, plan.Progress().Duplicates)
				click(1, "2", "/z", 4)
				click(1, "4", "/a", 4)
				plan = j.run()
				rows[j.row("/a", noon)]++
				assert.Equal(t, rows, j.rows())
				assert.EqualValues(t, 5, plan.Progress().Duplicates)

				click(0, "5", "/a", 600)
				click(1, "5", "/a", 600)
				j.run()
				click(0, "4", "/a", 5)
				j.run()
				if letters := j.letters(); assert.Len(t, letters, 1) {
					assert.Equal(t, "too_late", letters[0].dlq["reason"], "nobody knows the events of a final window")
				}
				j.exact()

				j.settings.Dedupe = ""
				_, err := pageviews.Prepare(t.Context(), &j.settings)
				require.ErrorContains(t, err, "with --dedupe event_id, not with no optional step: choose another folder, or name the same options")
			})
		})
	}
}

// TestUsersAreTold has users come to the pages of a window over restarts, and duplicates among their clicks.
func TestUsersAreTold(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{{"--shards", "2"}, {"--dedupe", "event_id", "--top", "2", "--table-format", "parquet"}} {
		t.Run(flags[0][2:], func(t *testing.T) {
			kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
				j := newJob(t, c, 2, append([]string{"--format", "json", "--unique-users"}, flags...)...)
				random := rand.New(rand.NewPCG(1, 1))
				for i := range 3 {
					for k := range 300 {
						user := fmt.Sprint("user-", random.IntN(50)*(i+1))
						if k%10 == 0 {
							user = "" // nobody knows who
						}
						page := fmt.Sprint("/", random.IntN(2))
						j.produce(j.event(int32(k%2), event{id: fmt.Sprint(page, i, k/2), user: user, page: page, at: noon.Add(time.Duration(random.IntN(120)) * time.Second)}))
					}
					j.run()
				}
				want, err := oracle.Count(t.Context(), j.settings.Topic, oracle.Rules{
					Format: "json", Window: time.Minute, ClockSkew: time.Minute, Once: j.settings.Dedupe != "", Users: true,
				}, kgo.SeedBrokers(c.Brokers...))
				require.NoError(t, err)
				view, err := table.View(t.Context(), j.settings.Table)
				require.NoError(t, err)
				rows := 0
				for row, err := range view.Scan(t.Context(), table.Filter{}) {
					require.NoError(t, err)
					key := j.row(row.PageURL, row.WindowStart)
					assert.Equal(t, want.Views[key], row.ViewCount)
					assert.EqualValues(t, len(want.Users[key]), row.UniqueUsers, "so few are told exactly")
					rows++
				}
				assert.Equal(t, 4, rows)

				j.settings.UniqueUsers = false
				_, err = pageviews.Prepare(t.Context(), &j.settings)
				require.ErrorContains(t, err, "--unique-users")
			})
		})
	}
}

// TestEventsHeld measures what this process has on its heap, Prism's state in it, while the windows of 600,000 events
// are open: how much more it is with --dedupe than without. It runs alone.
func TestEventsHeld(t *testing.T) {
	const n = 600_000
	c := kafkatest.StartEmbedded(t)
	topic := c.Topic(t, 4)
	held := func(flags ...string) float64 {
		j := newJobOn(t, c, topic, append([]string{"--format", "json", "--until", "never", "--idle-timeout", "1h"}, flags...)...)
		j.bundle = 100 * time.Millisecond // as the counts of the last one are held beside
		for first := 0; first < n && len(flags) == 0; first += 10_000 {
			records := make([]*kgo.Record, 10_000)
			for i := range records {
				k := first + i
				records[i] = j.event(int32(i%4), event{id: fmt.Sprintf("4f2c7f0e-5a1d-4a52-8f6e-%012d", k), page: fmt.Sprint("/products/", k%1000), at: noon.Add(time.Duration(k) * 3 * time.Minute / n)})
			}
			j.produce(records...)
		}
		begun := settledHeap()
		r := j.start()
		eventually(t, func() bool {
			p := r.plan.Progress()
			return p.Counted == n && p.Windows >= 2 && p.Watermark.After(noon.Add(2*time.Minute+49*time.Second))
		}, "not all is read, or the first two windows have not fired")
		heap := settledHeap()
		r.stop()
		return heap - begun
	}
	plain := held()
	perEvent := (held("--dedupe", "event_id") - plain) / n
	t.Logf("%.1f bytes an event", perEvent)
	assert.Less(t, perEvent, 40.)
	assert.Greater(t, perEvent, 16., "they are held")
}

// settledHeap returns the bytes that live on the heap once nothing is under way any more.
func settledHeap() float64 {
	for before := 0.; ; {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		now := float64(m.HeapAlloc)
		if before > 0 && math.Abs(now-before) < 100_000 {
			return now
		}
		before = now
	}
}
