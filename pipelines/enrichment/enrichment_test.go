package enrichment_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/pipelines/enrichment"
	"clickstream/pipelines/launch"
	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
	"clickstream/transforms/enrich"
)

func TestMain(m *testing.M) {
	beam.Init()
	slog.SetDefault(slog.New(launch.Logs(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))))
	os.Exit(m.Run())
}

// patience is how long anything that is to come may take, on a machine that is busy with other tests.
const patience = 2 * time.Minute

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// job is runs of the command on topics of its own.
type job struct {
	*testing.T
	cluster  *kafkatest.Cluster
	settings settings.Enrich
	produced int
}

func newJob(t *testing.T, c *kafkatest.Cluster, partitions int32, args ...string) *job {
	t.Helper()
	var cli struct {
		Enrich struct {
			Settings settings.Enrich `embed:""`
		} `cmd:""`
	}
	parser, err := settings.Parser(&cli, settings.NewSources(nil), kong.Exit(func(int) { t.Error("the parser wants to exit") }))
	require.NoError(t, err)
	_, err = parser.Parse(append([]string{
		"enrich", "--brokers", strings.Join(c.Brokers, ","), "--registry", c.Registry, "--format", "json",
		"--topic", c.Topic(t, partitions), "--enriched-topic", c.Topic(t, 3), "--dead-letter-topic", c.Name(t), "--group", c.Name(t),
		"--start", "earliest", "--until", "latest",
	}, args...))
	require.NoError(t, err)
	j := &job{T: t, cluster: c, settings: cli.Enrich.Settings}
	require.NoError(t, settings.Validate(&j.settings))
	c.RemoveTopic(t, j.settings.DeadLetterTopic)
	return j
}

// click returns the record of a click. It is recorded when it happens.
func click(partition int32, fields map[string]any) *kgo.Record {
	value, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	at := time.UnixMilli(int64(fields["timestamp"].(int)))
	return &kgo.Record{Partition: partition, Key: []byte("k"), Value: value, Timestamp: at}
}

func (j *job) produce(records ...*kgo.Record) {
	j.Helper()
	j.cluster.Produce(j.T, j.settings.Topic, records...)
	j.produced += len(records)
}

func (j *job) prepare() enrichment.Plan {
	j.Helper()
	p, err := enrichment.Prepare(j.Context(), &j.settings)
	require.NoError(j, err)
	return p
}

func (j *job) run() enrichment.Plan {
	j.Helper()
	ctx, cancel := context.WithTimeout(j.Context(), patience)
	defer cancel()
	p := j.prepare()
	require.NoError(j, enrichment.Run(ctx, p))
	return p
}

// enriched returns what is in the enriched topic.
func (j *job) enriched() []oracle.Enriched {
	j.Helper()
	var all []oracle.Enriched
	for _, rec := range j.cluster.Read(j.T, j.settings.EnrichedTopic) {
		e, err := oracle.ReadEnriched(enrich.Schema, rec)
		require.NoError(j, err)
		assert.Equal(j, e.EventID, string(rec.Key))
		assert.Equal(j, e.Recorded.UnixMilli(), rec.Timestamp.UnixMilli(), "the record has the time of its source")
		all = append(all, e)
	}
	return all
}

// byID returns what is in the enriched topic, by event. Where an event stands twice, it is told the same.
func (j *job) byID() map[string]oracle.Enriched {
	j.Helper()
	all := map[string]oracle.Enriched{}
	for _, e := range j.enriched() {
		if had, ok := all[e.EventID]; ok {
			assert.Equal(j, had, e)
		}
		all[e.EventID] = e
	}
	return all
}

// atEnd checks that the group has come to the topic's ends.
func (j *job) atEnd() {
	j.Helper()
	admin := kadm.NewClient(j.cluster.Client(j.T))
	ends, err := admin.ListEndOffsets(j.Context(), j.settings.Topic)
	require.NoError(j, err)
	at, err := kafka.FetchPosition(j.Context(), admin, j.settings.Group, j.settings.Topic)
	require.NoError(j, err)
	ends.Each(func(o kadm.ListedOffset) {
		assert.Equal(j, o.Offset, at.Next[o.Partition], "partition %d", o.Partition)
	})
}

// TestEnriches shows what becomes of a click, and of a record that is none.
func TestEnriches(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for _, sessions := range []string{"--sessions", "--no-sessions"} {
			t.Run(sessions[2:], func(t *testing.T) {
				j := newJob(t, c, 2, sessions)
				at := int(noon.Add(90 * time.Minute).UnixMilli())
				j.produce(
					click(1, map[string]any{"event_id": "a", "user_id": "u", "timestamp": at, "session_id": "own",
						"page_url": "HTTPS://Shop.Example:443/Blog?b=2&utm_source=mail&a=1&utm_medium=e%20mail#top"}),
					click(0, map[string]any{"event_id": "b", "user_id": "", "timestamp": at + 1, "page_url": "not a page"}),
					&kgo.Record{Partition: 0, Value: []byte("nonsense"), Timestamp: noon},
					click(0, map[string]any{"event_id": "c", "user_id": "u", "timestamp": at, "page_url": "/" + strings.Repeat("x", 1<<20)}),
				)
				p := j.run()
				got := map[string]oracle.Enriched{}
				for _, e := range j.enriched() {
					got[e.EventID] = e
				}
				assert.Equal(t, map[string]oracle.Enriched{
					"a": {
						EventID: "a", UserID: "u", PageURL: "https://shop.example/Blog?a=1&b=2", RawPage: "HTTPS://Shop.Example:443/Blog?b=2&utm_source=mail&a=1&utm_medium=e%20mail#top",
						Host: "shop.example", Path: "/Blog", Timestamp: time.UnixMilli(int64(at)).UTC(), Recorded: time.UnixMilli(int64(at)).UTC(),
						Session: "own", Campaign: map[string]string{"utm_source": "mail", "utm_medium": "e mail"},
						Date: noon.Truncate(24 * time.Hour), Hour: 13, Topic: j.settings.Topic, Partition: 1, Offset: 0,
					},
					"b": {
						EventID: "b", PageURL: "not a page", RawPage: "not a page", Timestamp: time.UnixMilli(int64(at) + 1).UTC(), Recorded: time.UnixMilli(int64(at) + 1).UTC(),
						Campaign: map[string]string{}, Date: noon.Truncate(24 * time.Hour), Hour: 13, Topic: j.settings.Topic, Partition: 0, Offset: 0,
					},
				}, got)
				reasons := map[string]string{}
				for _, rec := range c.Read(t, j.settings.DeadLetterTopic) {
					headers := map[string]string{}
					for _, h := range rec.Headers {
						headers[h.Key] = string(h.Value)
					}
					reasons[headers["dlq.partition"]+":"+headers["dlq.offset"]] += headers["dlq.reason"]
				}
				assert.Equal(t, map[string]string{"0:1": "json", "0:2": "too_large"}, reasons)
				assert.Contains(t, enrichment.Summary(p, time.Second), "read 4 records in 1s: wrote 2 clicks")
				j.atEnd()

				j.run() // there is nothing more
				assert.Len(t, j.enriched(), 2)
				j.produce(click(1, map[string]any{"event_id": "d", "user_id": "u", "timestamp": at, "page_url": "/"}))
				j.settings.Start = settings.Moment{Word: "latest"} // the group says itself
				j.run()
				assert.Len(t, j.enriched(), 3)
				j.atEnd()
			})
		}
	})
}

// visits makes clicks of some users at random over some hours, out of order by less than the watermark's delay within each
// partition. Every tenth names its session.
func visits(random *rand.Rand, partitions int32, n int) []*kgo.Record {
	var records []*kgo.Record
	for i := range n {
		at := noon.Add(time.Duration(i) * 3 * time.Hour / time.Duration(n)).Add(-time.Duration(random.IntN(8_000)) * time.Millisecond)
		fields := map[string]any{
			"event_id": fmt.Sprintf("event-%06d", i), "user_id": fmt.Sprintf("user-%d", random.IntN(n/20+1)), "page_url": "https://shop.example/",
			"timestamp": int(at.UnixMilli()),
		}
		if i%10 == 0 {
			fields["session_id"] = "named"
		}
		records = append(records, click(random.Int32N(partitions), fields))
	}
	return records
}

// TestSessions finds the sessions of clicks that are out of order, in runs that go on where the ones before ended.
func TestSessions(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		j := newJob(t, c, 4)
		all := visits(rand.New(rand.NewPCG(1, 2)), 4, 4_000)
		for _, part := range [][]*kgo.Record{all[:1_500], all[1_500:1_600], all[1_600:]} {
			j.produce(part...)
			j.run()
			j.atEnd()
		}
		got := j.enriched()
		assert.Len(t, got, len(all))
		want := oracle.Sessions(got, 30*time.Minute)
		assert.Greater(t, len(want), 200)
		assert.Equal(t, want, oracle.Told(got))
		for _, e := range got {
			assert.Equal(t, e.Session != "named", e.Found)
			assert.NotEmpty(t, e.Session)
		}
	})
}

// TestAUserWithManyClicks finds the sessions of one user who has more clicks than go on at once: a robot, which is silent
// now and then. A million of them go the same way, see testing/bench.
func TestAUserWithManyClicks(t *testing.T) {
	j := newJob(t, kafkatest.StartEmbedded(t), 4)
	const n = 100_000
	random := rand.New(rand.NewPCG(5, 6))
	var records []*kgo.Record
	for i := range n {
		at := noon.Add(time.Duration(i)*100*time.Millisecond + time.Duration(i/(n/10))*time.Hour).Add(-time.Duration(random.IntN(8_000)) * time.Millisecond)
		records = append(records, click(random.Int32N(4), map[string]any{
			"event_id": fmt.Sprintf("event-%06d", i), "user_id": "robot", "page_url": "https://shop.example/", "timestamp": int(at.UnixMilli()),
		}))
	}
	j.produce(records...)
	j.run()
	got := j.enriched()
	require.Len(t, got, n)
	want := oracle.Sessions(got, 30*time.Minute)
	assert.Len(t, want, 10)
	assert.Equal(t, want, oracle.Told(got))
	j.atEnd()
}

// TestASecondRunTakesOver begins a run while another one goes on.
func TestASecondRunTakesOver(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for _, sessions := range []string{"--sessions", "--no-sessions"} {
			t.Run(sessions[2:], func(t *testing.T) {
				j := newJob(t, c, 2, sessions, "--until", "never", "--watermark-delay", "0s", "--idle-timeout", "1s")
				begin := func() (cancel func(), ended chan error) {
					p := j.prepare()
					ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
					t.Cleanup(stop)
					ended = make(chan error, 1)
					go func() { ended <- enrichment.Run(ctx, p) }()
					return stop, ended
				}
				i := 0
				next := func() {
					i++
					j.produce(click(0, map[string]any{"event_id": fmt.Sprint(i), "user_id": "u", "page_url": "/", "timestamp": int(time.Now().UnixMilli())}))
				}
				written := func(n int) {
					t.Helper()
					require.Eventually(t, func() bool { return len(j.byID()) == n }, patience, 50*time.Millisecond)
				}
				_, first := begin()
				next()
				written(1)
				stop, second := begin()
				var err error
				require.Eventually(t, func() bool {
					next()
					select {
					case err = <-first:
						return true
					default:
						return false
					}
				}, patience, 200*time.Millisecond)
				require.ErrorContains(t, err, "another run has taken over: group "+j.settings.Group)
				require.ErrorContains(t, err, "give each run of its own a --group")
				written(i)
				stop()
				require.ErrorIs(t, <-second, launch.ErrCancelled)
				if sessions == "--no-sessions" {
					assert.Len(t, j.enriched(), i, "each once")
				}
			})
		}
	})
}
