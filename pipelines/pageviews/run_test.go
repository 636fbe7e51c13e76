package pageviews_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
	"clickstream/transforms/click"
)

// live are the flags of a run that goes on, with windows that tests can wait for.
var live = []string{
	"--format", "json", "--until", "never", "--window", "10s", "--watermark-delay", "2s", "--allowed-lateness", "30s",
	"--idle-timeout", "10m", "--retry-timeout", "20s",
}

// TestRowsAppearWhileTheRunGoesOn tells a run's story: windows open and close, late clicks are counted, later
// ones are not.
func TestRowsAppearWhileTheRunGoesOn(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 2, live...)
		at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
		both := func(page string, seconds int) {
			j.produce(j.click(0, page, at(seconds)), j.click(1, page, at(seconds)))
		}
		r := j.start()
		both("/a", 1)
		both("/b", 9)
		j.produce(j.click(0, "/ahead", at(30)))
		r.reads(5)
		assert.Empty(t, j.rows(), "the other partition may still bring clicks of the first window")

		j.produce(j.click(1, "/c", at(12)))
		first := map[oracle.Key]int64{j.row("/a", at(0)): 2, j.row("/b", at(0)): 2}
		r.shows(first)

		// Prism shows what came late when its window becomes final, and not before.
		j.produce(j.click(1, "/a", at(3)))
		r.reads(7)
		both("/d", 45)
		first[j.row("/a", at(0))] = 3
		first[j.row("/c", at(10))], first[j.row("/ahead", at(30))] = 1, 1
		r.shows(first)

		eventually(t, func() bool { return !r.plan.Progress().Watermark.Before(at(43)) }, "the watermark does not move")
		j.produce(j.click(0, "/too late", at(0)), j.click(0, "/late", at(12)))
		both("/e", 60)
		first[j.row("/late", at(10))], first[j.row("/d", at(40))] = 1, 2
		r.shows(first)
		r.stop()
		letters := j.letters()
		require.Len(t, letters, 1)
		assert.Equal(t, string(click.TooLate), letters[0].dlq["reason"])
		assert.Len(t, log.with(j.settings.DeadLetterTopic, "did not exist and was made"), 1)

		// What was read and not committed is read again.
		j.settings.Until.Word = "latest"
		j.run()
		j.exact()
	})
}

// TestWindowsCloseWhenTrafficStops has the watermark follow the clock once every partition is silent.
func TestWindowsCloseWhenTrafficStops(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 3, append(live, "--window", "1s", "--watermark-delay", "0s", "--idle-timeout", "1s")...)
		now := time.Now()
		j.produce(j.click(1, "/", now))
		r := j.start()
		r.shows(map[oracle.Key]int64{j.row("/", now): 1})
		r.stop()
	})
}

// TestStopIsClean stops runs at several points: none leaves anything behind, and the next one starts as if there
// had been none before.
func TestStopIsClean(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		newJob(t, c, 1, "--format", "json").run() // starts what Beam keeps for the life of the process
		j := newJob(t, c, 4, live...)
		for i := range 20 {
			j.produce(j.click(int32(i%4), fmt.Sprint("/", i), noon.Add(time.Duration(i)*time.Second)))
		}
		j.produce(&kgo.Record{Value: []byte("no click")})
		const (
			data = "github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/harness.(*DataChannel"
			conn = "github.com/twmb/franz-go/pkg/kfake.(*clientConn)"
		)
		allowed := []goleak.Option{
			// The two lock one another out at times, when a worker ends.
			goleak.IgnoreAnyFunction(data + "Manager).closeInstruction"), goleak.IgnoreAnyFunction(data + ").read"),
			// The broker's side of a connection; ours would show.
			goleak.IgnoreAnyFunction(conn + ".read"), goleak.IgnoreAnyFunction(conn + ".write"),
			goleak.IgnoreCurrent(),
		}
		for _, n := range []int64{0, 1, 21} {
			r := j.start()
			r.reads(n)
			r.stop()
		}
		require.NoError(t, goleak.Find(allowed...))
		j.settings.Until.Word = "latest"
		j.run()
		want := j.count(nil)
		assert.Empty(t, oracle.Diff(want.Views, j.rows()))
		for _, l := range j.letters() {
			assert.Equal(t, oracle.Place{Offset: 5}, l.place(), "one record alone is no click, which each of the runs may tell")
		}
	})
}

func TestEmptyTopic(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for _, partitions := range []int32{1, 100} {
			t.Run(fmt.Sprint(partitions), func(t *testing.T) {
				t.Parallel()
				j := newJob(t, c, partitions)
				begin := time.Now()
				p := j.run()
				assert.Less(t, time.Since(begin), patience/2)
				assert.Zero(t, p.Progress().Read)
				assert.Empty(t, j.rows())
				j.exact()
			})
		}
	})
}

func TestManyPartitions(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 100, "--format", "json")
		var records []*kgo.Record
		for p := range int32(100) { // the odd ones stay empty
			for i := range p % 2 * p {
				records = append(records, j.click(p-1, fmt.Sprint("/", i%7), noon.Add(time.Duration(i)*time.Second)))
			}
		}
		j.produce(records...)
		j.run()
		j.exact()
		lag, err := j.admin().Lag(t.Context(), j.settings.Group)
		require.NoError(t, err)
		group := lag[j.settings.Group]
		require.NoError(t, group.Error())
		assert.Zero(t, group.Lag.Total(), "the group's offsets are committed")
		assert.Len(t, group.Lag[j.settings.Topic], 100)
	})
}

// TestStartAndUntil reads what lies between two times of records.
func TestStartAndUntil(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
		text := func(minute int) string { return at(minute).Format(time.RFC3339) }
		for name, test := range map[string]struct {
			flags       []string
			first, next int // minutes whose clicks are counted
		}{
			"from a time":                {[]string{"--start", text(3)}, 3, 10},
			"to a time":                  {[]string{"--until", text(7)}, 0, 7},
			"between times":              {[]string{"--start", text(3), "--until", text(7)}, 3, 7},
			"from before all":            {[]string{"--start", text(-60)}, 0, 10},
			"from after all":             {[]string{"--start", text(60)}, 10, 10},
			"to before all":              {[]string{"--until", text(-60)}, 0, 0},
			"to after all, in the past":  {[]string{"--until", text(60)}, 0, 10},
			"from latest to latest":      {[]string{"--start", "latest"}, 10, 10},
			"to a time that is to come":  {[]string{"--until", time.Now().Add(4 * time.Second).Format(time.RFC3339)}, 0, 10},
			"in between with a fraction": {[]string{"--start", at(3).Add(time.Millisecond).Format(time.RFC3339Nano)}, 4, 10},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				j := newJob(t, c, 3, append([]string{"--format", "json"}, test.flags...)...)
				want := map[oracle.Key]int64{}
				for minute := range 10 {
					for p := range int32(2) { // and one without any
						j.produce(j.click(p, "/", at(minute)))
					}
					if test.first <= minute && minute < test.next {
						want[j.row("/", at(minute))] = 2
					}
				}
				j.run()
				assert.Empty(t, oracle.Diff(want, j.rows()))
			})
		}
	})
}

// TestUntilATimeTakesWhatComesBeforeIt goes on until the time, and reads what was produced by then.
func TestUntilATimeTakesWhatComesBeforeIt(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 2, live...)
		until := time.Now().Add(20 * time.Second) // by when the run has begun on a busy machine, too
		j.settings.Until = settings.Moment{Time: until}
		r := j.start()
		j.produce(j.click(0, "/before", time.Now()))
		r.reads(1)
		require.NoError(t, r.wait())
		assert.False(t, time.Now().Before(until), "it ended before the time")
		j.exact()
	})
}

// TestAbortedRecordsAtTheEnd ends a run behind which lie only records that do not count.
func TestAbortedRecordsAtTheEnd(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 1, "--format", "json")
		writer := c.Client(t, kgo.TransactionalID(j.settings.Topic), kgo.DefaultProduceTopic(j.settings.Topic))
		j.produce(j.click(0, "/", noon))
		transact(j, writer, kgo.TryCommit, []*kgo.Record{j.click(0, "/", noon), j.click(0, "/", noon)})
		j.produced += 2
		transact(j, writer, kgo.TryAbort, []*kgo.Record{j.click(0, "/aborted", noon)})
		p := j.run()
		j.exact()
		assert.EqualValues(t, 3, p.Progress().Read)
	})
}

// deleteRecords deletes all records of a partition before the offset.
func (j *job) deleteRecords(partition int32, before int64) {
	j.Helper()
	var gone kadm.Offsets
	gone.AddOffset(j.settings.Topic, partition, before, -1)
	deleted, err := j.admin().DeleteRecords(j.Context(), gone)
	require.NoError(j, err)
	require.NoError(j, deleted.Error())
}

// TestRecordsThatAreGone deletes records between the look at the topic and the reading.
func TestRecordsThatAreGone(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for name, test := range map[string]struct {
			flag  string
			until int64
			rows  int64
		}{
			"fail":                       {"fail", 4, 0},
			"warn":                       {"warn", 4, 7 + 3},
			"warn, when nothing is left": {"warn", 7, 7},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				j := newJob(t, c, 2, "--format", "json", "--on-data-loss", test.flag)
				for range 7 {
					j.produce(j.click(0, "/", noon), j.click(1, "/", noon))
				}
				plan := j.prepare()
				j.deleteRecords(1, test.until)
				r := j.begin(plan)
				if test.flag == "fail" {
					refused(t, r.wait(), "data loss", j.settings.Topic, "partition 1", "offset 0", "begin at 4", "--on-data-loss warn")
					return
				}
				require.NoError(t, r.wait())
				assert.Equal(t, map[oracle.Key]int64{j.row("/", noon): test.rows}, j.rows())
				assert.Len(t, log.with("records are gone", j.settings.Topic, fmt.Sprint("to=", test.until)), 1)
			})
		}
	})
}

// refused wants an error of one line that holds the words, and no secret.
func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	require.Error(t, err)
	line := err.Error()
	for _, w := range words {
		assert.Contains(t, line, w)
	}
	assert.NotContains(t, line, "\n", "the error has several lines")
	assert.NotContains(t, line, "goroutine ", "the error holds a stack")
	for _, u := range []kafkatest.User{kafkatest.Admin, kafkatest.Worker, kafkatest.Watcher, kafkatest.Nobody} {
		assert.NotContains(t, line, u.Password)
	}
	assert.Less(t, len(line), 800, "the line is long: %s", line)
}
