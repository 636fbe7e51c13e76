package dlq_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/table"
	"clickstream/pipelines/audit"
	"clickstream/pipelines/dlq"
	"clickstream/pipelines/pageviews"
	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
	"clickstream/transforms/click"
	"clickstream/transforms/replay"
)

// noon is where the event times of these tests start.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// shop is a desk whose topic is counted into a table: windows of a minute, open for a minute more.
type shop struct {
	*desk
	table    string
	registry string       // that does not know the broken schema, until it is registered
	fixed    *atomic.Bool // it is
	good     int
	broken   int
}

// openShop makes a topic of clicks. The id of one schema of theirs is unknown to the registry at first.
func openShop(t *testing.T, c *kafkatest.Cluster) *shop {
	t.Helper()
	s := &shop{desk: newDesk(t, c, 2), table: filepath.Join(t.TempDir(), "views"), fixed: &atomic.Bool{}}
	s.good = c.Register(t, s.topic+"-value", click.Schema)
	s.broken = c.Register(t, s.topic+"-next", strings.Replace(click.Schema, `"fields": [`, `"doc": "the next one", "fields": [`, 1))
	require.NotEqual(t, s.good, s.broken)
	whole, err := url.Parse(c.Registry)
	require.NoError(t, err)
	hidden := fmt.Sprintf("/schemas/ids/%d", s.broken)
	through := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(whole) }}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.fixed.Load() && strings.HasSuffix(r.URL.Path, hidden) {
			w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"error_code":40403,"message":"Schema not found"}`)
			return
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	s.registry = front.URL
	return s
}

var clicks = func() *goavro.Codec {
	codec, err := goavro.NewCodec(click.Schema)
	if err != nil {
		panic(err)
	}
	return codec
}()

// click returns a click that many seconds past noon, by a schema.
func (s *shop) click(schema int, partition int32, page string, seconds int) *kgo.Record {
	s.Helper()
	at := noon.Add(time.Duration(seconds) * time.Second)
	avro, err := clicks.BinaryFromNative(nil, map[string]any{"event_id": "e", "user_id": "u", "page_url": page, "timestamp": at.UnixMilli(), "session_id": nil})
	require.NoError(s, err)
	return &kgo.Record{Partition: partition, Timestamp: at, Value: kafkatest.Frame(schema, avro)}
}

// minutes produces clicks of every minute from one to another in each partition, by a schema.
func (s *shop) minutes(schema, from, to int) int {
	s.Helper()
	var records []*kgo.Record
	for m := from; m < to; m++ {
		for p := range int32(2) {
			records = append(records, s.click(schema, p, "/", 60*m+5), s.click(schema, p, fmt.Sprint("/", m), 60*m+40))
		}
	}
	s.cluster.Produce(s.T, s.topic, records...)
	return len(records)
}

func (s *shop) flags(more ...string) []string {
	return append([]string{"--registry", s.registry, "--table", s.table, "--allowed-lateness", "1m"}, more...)
}

// run counts what there is, and returns how it went.
func (s *shop) run() pageviews.Plan {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	plan, err := pageviews.Prepare(ctx, settle[settings.Run](s.desk, s.flags("--group", s.letters, "--start", "earliest", "--until", "latest")...))
	require.NoError(s, err)
	require.NoError(s, pageviews.Run(ctx, plan))
	return plan
}

// verify audits the table, which is to be clean.
func (s *shop) verify() audit.Offsets {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	report, err := audit.Verify(ctx, settle[settings.TableVerify](s.desk, s.flags()...), nil)
	require.NoError(s, err)
	require.True(s, report.Clean, "%v\n%+v", report.Err(), report)
	return report.Offsets
}

// right holds the table against the oracle's count of what should have been: every record of the topic once, whether it
// was replayed or not. Clicks of missing stand in the topic, and not in the table.
func (s *shop) right(missing ...oracle.Key) {
	s.Helper()
	copies := map[oracle.Place]bool{}
	for _, rec := range s.committed(s.topic) {
		if _, ok := replay.Of(rec.Headers); ok {
			copies[oracle.Place{Partition: rec.Partition, Offset: rec.Offset}] = true
		}
	}
	counts, err := oracle.Count(s.Context(), s.topic, oracle.Rules{
		Format: "avro", Registry: s.registry, Window: time.Minute, ClockSkew: 5 * time.Minute,
		Except: func(p oracle.Place) bool { return copies[p] },
	}, s.cluster.Options()...)
	require.NoError(s, err)
	for _, k := range missing {
		if counts.Views[k]--; counts.Views[k] == 0 {
			delete(counts.Views, k)
		}
	}
	assert.Empty(s, oracle.Diff(counts.Views, s.rows()))
}

func (s *shop) rows() map[oracle.Key]int64 {
	s.Helper()
	view, err := table.View(s.Context(), s.table)
	require.NoError(s, err)
	rows := map[oracle.Key]int64{}
	for row, err := range view.Scan(s.Context(), table.Filter{}) {
		require.NoError(s, err)
		rows[oracle.Key{WindowStart: row.WindowStart.UnixMilli(), Page: row.PageURL}] += row.ViewCount
	}
	return rows
}

// TestTheSchemaThatNobodyRegistered tells the story. A producer writes by a schema for a while that the registry does not
// have; a run rejects that; time passes, and the windows are closed; the schema is registered; one command replays and
// rebuilds, and all is as it should have been.
func TestTheSchemaThatNobodyRegistered(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		s := openShop(t, c)
		s.minutes(s.good, 0, 4)
		bad := s.minutes(s.broken, 3, 7)
		s.cluster.Produce(t, s.topic, &kgo.Record{Partition: 1, Timestamp: noon.Add(6 * time.Minute), Value: []byte("never a click")})
		s.minutes(s.good, 4, 12)
		s.run()
		s.minutes(s.good, 30, 32)
		s.run()

		l := s.list()
		assert.Equal(t, map[string][2]int64{"unknown_schema": {int64(bad), 0}, "bad_magic": {1, 0}}, lines(l))
		shown, err := dlq.Show(t.Context(), settle[settings.DLQShow](s.desk, "--source", "--registry", s.registry, s.firstBad()), nil)
		require.NoError(t, err)
		assert.Equal(t, "unknown_schema", shown.Reason)
		assert.Equal(t, "the registry has no such schema", shown.Schema.Note)

		s.fixed.Store(true)
		s.verify() // what is out is accounted for
		done := s.replay(s.flags("--rebuild", "--reason", "unknown_schema")...)
		assert.EqualValues(t, bad, done.Replayed)
		require.NotNil(t, done.Rebuild)
		assert.Equal(t, int64(bad), done.Rebuild.Deferred)
		require.NotNil(t, done.Rebuild.Rebuilt)
		assert.Equal(t, 4, done.Rebuild.Rebuilt.Replaced, "the windows that the clicks are of, and no others")
		assert.EqualValues(t, 8, done.Rebuild.Rebuilt.Rows)
		require.NoError(t, done.Err())
		var text strings.Builder
		require.NoError(t, done.WriteText(&text))
		assert.Contains(t, text.String(), fmt.Sprintf("replayed %d records into topic %s: unknown_schema %d", bad, s.topic, bad))
		assert.Contains(t, text.String(), "rebuilt 4 of 4 windows")

		s.right()
		s.verify()
		plan := s.run()
		assert.EqualValues(t, bad, plan.Progress().Deferred, "a run that comes to them leaves them out")
		assert.Equal(t, l.Total.Records, s.list().Total.Records, "and makes no dead letters of them")
		s.right()
		s.verify()

		done = s.replay(s.flags("--rebuild", "--reason", "unknown_schema")...)
		assert.Zero(t, done.Replayed)
		s.right()
	})
}

// firstBad returns the place of the first record that was rejected for its schema.
func (s *shop) firstBad() string {
	s.Helper()
	for _, rec := range s.committed(s.letters) {
		h := map[string]string{}
		for _, header := range rec.Headers {
			h[header.Key] = string(header.Value)
		}
		if h["dlq.reason"] == string(click.UnknownSchema) {
			return h["dlq.partition"] + ":" + h["dlq.offset"]
		}
	}
	require.Fail(s, "there is none")
	return ""
}

// TestReplayBeforeTheRebuild replays without the rebuild, which comes later, by an audit between, or by table rebuild.
func TestReplayBeforeTheRebuild(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		s := openShop(t, c)
		s.minutes(s.good, 0, 4)
		bad := s.minutes(s.broken, 1, 3)
		s.run()
		s.minutes(s.good, 30, 31)
		s.run()
		s.fixed.Store(true)
		var dry strings.Builder
		require.NoError(t, s.replay(s.flags("--rebuild", "--dry-run")...).WriteText(&dry))
		assert.Contains(t, dry.String(), "is known once they are replayed; what follows is about earlier replays alone")
		assert.EqualValues(t, bad, s.replay().Replayed)
		o := s.verify()
		assert.EqualValues(t, bad, o.Deferred)
		s.run()
		s.minutes(s.good, 40, 42)
		s.run()
		o = s.verify()
		assert.EqualValues(t, bad, o.Deferred)
		assert.EqualValues(t, bad, o.Doubtful)

		done := s.replay(s.flags("--rebuild", "--dry-run")...)
		assert.Equal(t, 2, done.Rebuild.Rebuilt.Replaced)
		assert.EqualValues(t, bad, s.verify().Deferred, "a dry run changes nothing")
		done = s.replay(s.flags("--rebuild")...)
		assert.Zero(t, done.Replayed)
		assert.EqualValues(t, bad, done.Rebuild.Deferred, "those of the replay before")
		assert.Equal(t, 2, done.Rebuild.Rebuilt.Replaced)
		o = s.verify()
		assert.Zero(t, o.Deferred)
		assert.EqualValues(t, bad, o.Again)
		s.right()
	})
}

// TestTheRebuildLeavesWhatIsGone rebuilds the windows that the topic still has all of, and tells of the one that it has not.
func TestTheRebuildLeavesWhatIsGone(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		s := openShop(t, c)
		s.minutes(s.good, 0, 1)
		bad := s.minutes(s.broken, 0, 1)
		s.minutes(s.good, 5, 7)
		s.run()
		s.minutes(s.good, 10, 12)
		bad += s.minutes(s.broken, 10, 12)
		s.minutes(s.good, 30, 31)
		s.run()
		before := s.rows()
		var gone kadm.Offsets
		gone.AddOffset(s.topic, 0, 1, -1)
		deleted, err := s.admin().DeleteRecords(t.Context(), gone)
		require.NoError(t, err)
		require.NoError(t, deleted.Error())
		s.fixed.Store(true)

		done := s.replay(s.flags("--rebuild")...)
		assert.EqualValues(t, bad, done.Replayed)
		assert.Equal(t, 2, done.Rebuild.Rebuilt.Replaced)
		assert.Equal(t, 1, done.Rebuild.Rebuilt.Refused)
		refused(t, done.Err(), "1 window cannot be counted any more and stayed as before; the first: that of 2026-03-01T12:00:00Z, it was counted from offset 0 of topic "+s.topic+" partition 0, which begins at 1 by now", "raise the topic's retention")
		var text strings.Builder
		require.NoError(t, done.WriteText(&text))
		assert.Contains(t, text.String(), "left as it is: it was counted from offset 0")
		assert.Contains(t, text.String(), "rebuilt 2 of 3 windows")
		after := s.rows()
		for k, n := range after {
			minute := time.UnixMilli(k.WindowStart).Sub(noon) / time.Minute
			if minute == 10 || minute == 11 {
				n /= 2
			}
			assert.Equal(t, before[k], n, "%v", k)
		}
		assert.Len(t, after, len(before))

		done = s.replay(s.flags("--rebuild")...)
		assert.Zero(t, done.Rebuild.Rebuilt.Replaced, "what is gone stays so")
		require.Error(t, done.Err())
	})
}

// TestTheRebuildIsKilled kills replays at any moment, most of them once all is replayed and windows are rebuilt.
func TestTheRebuildIsKilled(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		s := openShop(t, c)
		s.minutes(s.good, 0, 120)
		s.minutes(s.broken, 0, 120)
		s.run()
		s.minutes(s.good, 180, 181)
		s.run()
		s.fixed.Store(true)
		assert.NotZero(t, s.killed(10*time.Millisecond, 15*time.Millisecond, s.flags("--rebuild")...))
		s.right()
		s.verify()
		assert.Len(t, s.replayed(), 480)
	})
}

// TestReplayOfOpenWindows replays into windows that a run counts still, and which it counts anew when it starts again:
// the record is a click where it stood by then, and must not count twice.
func TestReplayOfOpenWindows(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		s := openShop(t, c)
		s.minutes(s.good, 0, 2)
		bad := s.minutes(s.broken, 1, 2)
		s.run()
		s.fixed.Store(true)
		s.run()
		require.EqualValues(t, bad, s.list().Total.Records)
		done := s.replay(s.flags("--rebuild")...)
		assert.EqualValues(t, bad, done.Replayed)
		assert.EqualValues(t, bad, done.Rebuild.Open)
		assert.Nil(t, done.Rebuild.Rebuilt)
		for range 2 {
			s.run()
			s.right()
			s.verify()
		}
		s.minutes(s.good, 30, 31)
		s.run()
		s.right()
		o := s.verify()
		assert.EqualValues(t, bad, o.Doubtful)
		assert.Zero(t, o.Deferred)
	})
}

// TestReplayOfLateClicks takes in what came when its window was closed.
func TestReplayOfLateClicks(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		s := openShop(t, c)
		s.minutes(s.good, 0, 3)
		s.minutes(s.good, 30, 31)
		s.run()
		s.cluster.Produce(t, s.topic, s.click(s.good, 0, "/late", 10), s.click(s.good, 1, "/late", 70), s.click(s.good, 1, "/never", 1200))
		s.run()
		s.right(oracle.Key{WindowStart: noon.UnixMilli(), Page: "/late"}, oracle.Key{WindowStart: noon.Add(time.Minute).UnixMilli(), Page: "/late"},
			oracle.Key{WindowStart: noon.Add(20 * time.Minute).UnixMilli(), Page: "/never"})
		assert.EqualValues(t, 3, s.verify().TooLate)
		done := s.replay(s.flags("--rebuild")...)
		assert.Equal(t, map[click.Reason]int64{click.TooLate: 3}, done.Reasons)
		assert.Equal(t, 3, done.Rebuild.Rebuilt.Replaced, "one of them had no rows")
		s.right()
		s.verify()
	})
}

// TestWhatFailsAgain comes back with its attempts, until they are enough.
func TestWhatFailsAgain(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		s := openShop(t, c)
		s.cluster.Produce(t, s.topic, &kgo.Record{Value: []byte("no click")}, s.click(s.good, 1, "/", 0))
		for attempt := range 4 {
			s.run()
			done := s.replay(s.flags("--rebuild", "--max-attempts", "3")...)
			if attempt < 3 {
				assert.EqualValues(t, 1, done.Replayed)
			} else {
				assert.Zero(t, done.Replayed)
				assert.EqualValues(t, 1, done.Skipped.MaxAttempts)
			}
		}
		l := s.list()
		assert.EqualValues(t, 4, l.Total.Records)
		assert.EqualValues(t, 3, l.Total.Returned)
		assert.EqualValues(t, 1, l.Total.Out)
		s.verify()
		s.right()
	})
}
