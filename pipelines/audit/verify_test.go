package audit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/io/table"
	"clickstream/pipelines/audit"
	"clickstream/pipelines/launch"
	"clickstream/pipelines/pageviews"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
	"clickstream/transforms/click"
)

// TestCleanAfterARun has a random topic counted: with rejects, aborted transactions, clicks out of order.
func TestCleanAfterARun(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 4))
				s := newSubject(t, c, format, 3)
				s.shards = 1 + 2*random.IntN(2)
				writer := c.Client(t, kgo.TransactionalID(s.topic), kgo.DefaultProduceTopic(s.topic))
				for batch := range 12 {
					var records []*kgo.Record
					for range 40 {
						when := at(20*batch + random.IntN(20))
						rec := s.click(int32(random.IntN(3)), fmt.Sprint("/", random.IntN(30)), when.Add(-time.Duration(random.IntN(9))*time.Second))
						if rec.Timestamp = when; random.IntN(10) == 0 {
							rec.Value = rec.Value[:random.IntN(len(rec.Value))]
						}
						records = append(records, rec)
					}
					require.NoError(t, writer.BeginTransaction())
					require.NoError(t, writer.ProduceSync(t.Context(), records...).FirstErr())
					c.EndTransaction(t, writer, s.topic, batch%3 != 1)
				}
				s.run()
				r := s.clean()
				want, err := oracle.Count(t.Context(), s.topic, oracle.Rules{Format: format, Registry: c.Registry, Window: time.Minute, ClockSkew: 5 * time.Minute}, kgo.SeedBrokers(c.Brokers...))
				require.NoError(t, err)
				assert.Equal(t, want.Valid, r.Offsets.Counted)
				assert.Equal(t, want.Valid, r.Views)
				assert.EqualValues(t, len(want.Views), r.Rows)
				assert.Equal(t, want.Valid+int64(len(want.Invalid)), r.Records)
				assert.EqualValues(t, 4*40, r.Offsets.Gaps, "what was aborted")
				assert.NotZero(t, r.Offsets.Markers)
				assert.Zero(t, r.Offsets.TooLate+r.Offsets.Open+r.Offsets.Unread+r.Offsets.Elsewhere+r.Offsets.Gone)
			})
		}
	})
}

// TestWhatDiffers changes a table that is clean, and wants each change told.
func TestWhatDiffers(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		s := newSubject(t, c, format, 2)
		s.kind = table.Parquet
		s.minutes(0, 5, 2)
		s.run()
		s.clean()
		whole := s.table
		diff := func(minute int, page string, topic, table int64) audit.Difference {
			return audit.Difference{WindowStart: at(60 * minute), PageURL: page, Topic: topic, Table: table}
		}
		type views = map[string]int64
		for name, test := range map[string]struct {
			change func()
			want   []audit.Difference
		}{
			"a row with more":  {func() { s.tamper(60, func(v views) { v["/1"] = 9 }) }, []audit.Difference{diff(1, "/1", 2, 9)}},
			"a row with less":  {func() { s.tamper(60, func(v views) { v["/"] = 1 }) }, []audit.Difference{diff(1, "/", 2, 1)}},
			"a row is gone":    {func() { s.tamper(60, func(v views) { delete(v, "/1") }) }, []audit.Difference{diff(1, "/1", 2, 0)}},
			"a row too many":   {func() { s.tamper(60, func(v views) { v["/0"] = 1 }) }, []audit.Difference{diff(1, "/0", 0, 1)}},
			"a window twice":   {func() { s.tamper(120, func(v views) { v["/"], v["/2"] = 4, 4 }) }, []audit.Difference{diff(2, "/", 2, 4), diff(2, "/2", 2, 4)}},
			"a window is gone": {func() { require.NoError(s, os.Remove(s.file(60))) }, []audit.Difference{diff(1, "/", 2, 0), diff(1, "/1", 2, 0)}},
			"two windows differ": {
				func() {
					s.tamper(240, func(v views) { v["/"]++ })
					s.tamper(0, func(v views) { v["/"]-- })
				},
				[]audit.Difference{diff(0, "/", 2, 1), diff(4, "/", 2, 3)},
			},
		} {
			s.table = filepath.Join(t.TempDir(), "views")
			require.NoError(t, os.CopyFS(s.table, os.DirFS(whole)))
			test.change()
			t.Log(name)
			r := s.verify()
			differs(t, r, test.want...)
			assert.Equal(t, name == "a window is gone", r.Windows.Missing == 1)
			require.ErrorContains(t, r.Err(), s.table)

			short := s.verify("--limit", "1")
			assert.Equal(t, test.want[:1], short.Differences)
			assert.EqualValues(t, len(test.want), short.DifferentRows)
		}
	})
}

// TestDeadLettersAreLookedFor leaves dead letters out: of a reject, and of a click that came too late.
func TestDeadLettersAreLookedFor(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		s := newSubject(t, c, format, 1)
		s.minutes(0, 5, 1) // offset 10 is no click
		s.run()
		late := s.click(0, "/late", at(0))
		s.produce(late, s.click(0, "/", at(300)))
		s.run()
		r := s.clean()
		assert.EqualValues(t, 1, r.Offsets.TooLate)
		assert.EqualValues(t, 12, r.Offsets.Counted)

		written := s.cluster.Read(t, s.letters)
		require.Greater(t, len(written), 2, "a run that goes on reads some records again")
		without := func(reason string) *audit.Report {
			s.letters = c.Topic(t, 1)
			s.cluster.Produce(t, s.letters, &kgo.Record{Value: []byte("of somebody else")})
			for _, l := range written {
				if !slices.ContainsFunc(l.Headers, func(h kgo.RecordHeader) bool { return h.Key == "dlq.reason" && string(h.Value) == reason }) {
					s.cluster.Produce(t, s.letters, &kgo.Record{Headers: l.Headers})
				}
			}
			return s.verify()
		}
		r = without("too_late")
		differs(t, r, audit.Difference{WindowStart: at(0), PageURL: "/late", Topic: 1})
		assert.EqualValues(t, 1, r.Offsets.Lost)
		require.ErrorContains(t, r.Err(), "1 click in neither the table nor the dead letters")

		reason := map[string]click.Reason{"json": click.JSON, "avro": click.BadMagic}[format]
		r = without(string(reason))
		assert.Equal(t, audit.Rejected{Total: 1, First: []audit.Place{{Partition: 0, Offset: 10, Reason: reason}}}, r.Rejected)
		require.ErrorContains(t, r.Err(), "1 record rejected without a dead letter")
		assert.Empty(t, r.Differences)

		s.letters = c.Name(t) // there is no such topic
		assert.EqualValues(t, 1, s.verify().Rejected.Total)
	})
}

// TestDeadLettersOfWhatWasCounted has dead letters of clicks that were counted all the same: of a run that was killed
// before it committed, and another one that read them again.
func TestDeadLettersOfWhatWasCounted(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		s := newSubject(t, c, format, 1)
		s.kind = table.Parquet
		s.minutes(0, 5, 1)
		s.run()
		s.letter(0, 0, click.TooLate)
		s.letter(0, 1, click.UnknownSchema) // which was registered since
		r := s.clean()
		assert.EqualValues(t, 2, r.Despite)
		assert.EqualValues(t, 1, r.Offsets.TooLate)
		assert.EqualValues(t, 1, r.Offsets.Doubtful)
		assert.EqualValues(t, 9, r.Offsets.Counted)
		assert.EqualValues(t, 11, r.Views)

		s.tamper(0, func(v map[string]int64) { v["/0"]++ })
		differs(t, s.verify(), audit.Difference{WindowStart: at(0), PageURL: "/0", Topic: 0, Table: 2})
	})
}

// TestPending has records that no run has come to.
func TestPending(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		s := newSubject(t, c, format, 2)
		s.minutes(0, 5, 2)
		plan := s.prepare() // makes the table
		r := s.clean()
		assert.EqualValues(t, 22, r.Offsets.Open)
		assert.EqualValues(t, 2, r.Offsets.Unread, "they may be rejected yet")
		assert.Equal(t, 6, r.Windows.Waiting)

		require.NoError(t, pageviews.Run(t.Context(), plan))
		s.clean()
		s.produce(s.click(0, "/", at(600)), s.click(1, "/late", at(0)), &kgo.Record{Timestamp: at(0)}, s.click(0, "/", at(310)))
		r = s.clean()
		assert.EqualValues(t, 2, r.Offsets.Open, "of a window that is new, and of one that takes late clicks")
		assert.EqualValues(t, 2, r.Offsets.Unread)
		assert.EqualValues(t, 22, r.Offsets.Counted)
		s.run()
		r = s.clean()
		assert.EqualValues(t, 24, r.Offsets.Counted)
		assert.EqualValues(t, 1, r.Offsets.TooLate)
	})
}

// TestRetention deletes records that windows were counted from.
func TestRetention(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		s := newSubject(t, c, format, 1)
		s.kind = table.Parquet
		s.minutes(0, 3, 1)
		s.run()
		s.minutes(10, 13, 1)
		s.run()
		s.deleteRecords(0, 3)
		r := s.clean()
		assert.EqualValues(t, 3, r.Offsets.Gone)
		assert.EqualValues(t, 16, r.Offsets.Consumed)
		assert.GreaterOrEqual(t, r.Windows.Incomplete, 4, "those of the first run, and those fetched with them")
		assert.Equal(t, 8, r.Windows.Equal)

		s.tamper(120, func(v map[string]int64) { delete(v, "/2") })
		differs(t, s.verify(), audit.Difference{WindowStart: at(120), PageURL: "/2", Topic: 1})
	})
}

// TestTableThatBeganLater holds a table against its topic from where it began, which is not where the topic does.
func TestTableThatBeganLater(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		s := newSubject(t, c, format, 2)
		s.minutes(0, 5, 2)
		s.prepare("--start", "latest")
		assert.Zero(t, s.clean().Offsets.Consumed)
		s.produce(s.click(0, "/", at(300)), s.click(1, "/", at(600)))
		s.run("--start", "latest")
		r := s.clean()
		assert.EqualValues(t, 2, r.Offsets.Consumed)
		assert.EqualValues(t, 2, r.Offsets.Counted)

		done, err := s.rebuild(0, 360)
		require.NoError(t, err)
		assert.Equal(t, 1, done.Unchanged, "what was there before the table is not counted")
		assert.Zero(t, done.Replaced)
	})
}

func TestRanges(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		s := newSubject(t, c, format, 2)
		s.kind = table.Parquet
		s.minutes(0, 30, 2)
		s.run()
		s.tamper(600, func(v map[string]int64) { v["/"] = 7 })
		text := func(minute int) string { return at(60 * minute).Format(time.RFC3339) }

		r := s.clean("--from", text(11))
		assert.Equal(t, 20, r.Windows.Equal)
		assert.EqualValues(t, 2*2*5, r.Offsets.Elsewhere, "of the five minutes that clocks may be apart")
		assert.EqualValues(t, 78, r.Offsets.Counted)
		r = s.clean("--to", text(10))
		assert.Equal(t, 10, r.Windows.Equal)
		r = s.verify("--from", text(10), "--to", text(11))
		differs(t, r, audit.Difference{WindowStart: at(600), PageURL: "/", Topic: 2, Table: 7})
		assert.Equal(t, 1, r.Windows.Different)
		assert.Zero(t, r.Windows.Equal)
		r = s.clean("--last", "1h")
		assert.Zero(t, r.Windows.Equal+r.Windows.Waiting)

		now := newSubject(t, c, format, 1)
		now.produce(now.click(0, "/", time.Now().Add(-2*time.Hour)), now.click(0, "/", time.Now()))
		now.run()
		assert.Equal(t, 1, now.clean("--last", "1h").Windows.Equal)
		assert.Equal(t, 2, now.clean("--last", "3h").Windows.Equal)
	})
}

// TestWhileARunGoesOn audits the table again and again, while clicks come and a run counts them.
func TestWhileARunGoesOn(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		s := newSubject(t, c, format, 3)
		s.shards = 2
		s.minutes(0, 1, 3)
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		var going sync.WaitGroup
		t.Cleanup(func() { cancel(); going.Wait() })
		plan := s.prepare("--until", "never", "--window", "10s", "--allowed-lateness", "20s", "--watermark-delay", "5s")
		failed := make(chan error, 1)
		going.Go(func() { failed <- pageviews.Run(ctx, plan) })
		going.Go(func() {
			client := c.Client(t, kgo.DefaultProduceTopic(s.topic))
			for i := 0; ctx.Err() == nil; i++ {
				rec := s.click(int32(i%3), fmt.Sprint("/", i%7), at(60+i-i%50/49*60)) // some come late
				if i%31 == 0 {
					rec.Value = []byte("no click")
				}
				client.ProduceSync(ctx, rec)
			}
		})
		windows := 0
		for begun := time.Now(); windows < 12; {
			require.Less(t, time.Since(begun), patience, "the table does not grow")
			r := s.clean("--allowed-lateness", "20s")
			windows = r.Windows.Equal
		}
		s.produce(s.click(0, "/late", at(0)))
		cancel()
		require.ErrorIs(t, <-failed, launch.ErrCancelled)
		s.run("--window", "10s", "--allowed-lateness", "20s")
		r := s.clean("--allowed-lateness", "20s")
		assert.Zero(t, r.Offsets.Open+r.Offsets.Unread)
		assert.NotZero(t, r.Offsets.TooLate)
	})
}

// TestWindowsThatChange has a run replace windows, and add some, after the table was listed.
func TestWindowsThatChange(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		s := newSubject(t, c, format, 1)
		s.minutes(0, 5, 1)
		s.run()
		s.produce(s.click(0, "/late", at(310)), s.click(0, "/", at(600)))
		var once sync.Once
		s.meanwhile = func(int64, int64) { once.Do(func() { s.run() }) }
		r := s.clean()
		assert.Equal(t, 1, r.Windows.Changed)
		assert.Equal(t, 5, r.Windows.Equal)
		assert.Equal(t, 2, r.Windows.Waiting)
		assert.EqualValues(t, 2, r.Offsets.Open)
		assert.Equal(t, 7, s.clean().Windows.Equal)
	})
}

func TestWhatDoesNotFit(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		s := newSubject(t, c, "json", 1)
		_, err := s.tryVerify()
		require.ErrorIs(t, err, os.ErrNotExist)
		s.minutes(0, 5, 1)
		s.run()

		_, err = s.tryVerify("--topic", "other")
		require.ErrorContains(t, err, "was counted from topic "+s.topic+", not other; use --topic "+s.topic)

		if c.Kind == kafkatest.Embedded {
			another := *s
			another.cluster = kafkatest.StartEmbedded(t)
			_, err = another.tryVerify()
			require.ErrorIs(t, err, kafka.ErrNoTopic)
		}

		was := s.identity().Topic
		c.MakeAgain(t, s.topic, 1)
		s.minutes(0, 6, 1)
		_, err = s.tryVerify()
		told := fmt.Sprintf("table %s was counted from topic %s of id %s, which is of id %s now: the topic was deleted and made again", s.table, s.topic, was, s.identity().Topic)
		require.ErrorContains(t, err, told)
		_, err = s.rebuild(0, 60)
		require.ErrorContains(t, err, told)
	})
}

// TestTopicIsMadeAgainMeanwhile makes the topic again while it is read, a chunk at a time.
func TestTopicIsMadeAgainMeanwhile(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		s := newSubject(t, c, "json", 1)
		s.minutes(0, 5, 1)
		s.run()
		random := rand.NewChaCha8([32]byte{})
		for range 50 {
			value := make([]byte, 64<<10)
			_, _ = random.Read(value)
			s.produce(&kgo.Record{Value: value})
		}
		was := s.identity().Topic
		var once sync.Once
		s.meanwhile = func(int64, int64) {
			once.Do(func() {
				c.MakeAgain(t, s.topic, 1)
				s.minutes(0, 60, 1)
			})
		}
		_, err := s.tryVerify()
		require.ErrorContains(t, err, fmt.Sprintf("topic %s was deleted and made again while it was read: it was of id %s, and is of %s now; run again", s.topic, was, s.identity().Topic))
	})
}
