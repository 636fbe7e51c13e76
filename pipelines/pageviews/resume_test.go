package pageviews_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
	"clickstream/transforms/click"
)

// formats are the flags of a table of each format.
var formats = map[string][]string{"delta": {"--table-format", "delta"}, "parquet": {"--table-format", "parquet"}}

// TestRunsGoOnWhereTheTableIs stops and starts a job at the topic's ends: many small runs are one large one.
func TestRunsGoOnWhereTheTableIs(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for name, flags := range formats {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				j := newJob(t, c, 2, append([]string{"--format", "json", "--allowed-lateness", "2m", "--clock-skew", "1m"}, flags...)...)
				for i := range 6 {
					at := noon.Add(time.Duration(i) * 50 * time.Second)
					j.produce(
						clickAt(j, 0, "/a", at, at), clickAt(j, 1, "/b", at.Add(7*time.Second), at.Add(7*time.Second)),
						clickAt(j, 1, "/late", at.Add(-40*time.Second), at), // its window is open still
					)
					j.run()
				}
				j.exact()
				assert.Empty(t, j.letters())
				plan := j.run()
				assert.Zero(t, plan.Progress().Windows, "nothing is new")
			})
		}
	})
}

// clickAt returns a click whose record is written at another time than it is counted.
func clickAt(j *job, partition int32, page string, at, written time.Time) *kgo.Record {
	r := j.click(partition, page, at)
	r.Timestamp = written
	return r
}

// TestFinalWindowsStay shows that a run which starts again neither counts the clicks of final windows twice, nor
// calls those dead that it has counted.
func TestFinalWindowsStay(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		j := newJob(t, c, 1, "--format", "json", "--allowed-lateness", "1m", "--clock-skew", "30m")
		j.produce(clickAt(j, 0, "/a", noon, noon), clickAt(j, 0, "/b", noon.Add(10*time.Minute), noon.Add(10*time.Minute)))
		j.run()
		j.produce(clickAt(j, 0, "/dead", noon, noon.Add(11*time.Minute)))

		plan := j.run()
		assert.EqualValues(t, 1, plan.Progress().Skipped, "all is read again, and /a was counted")
		assert.Equal(t, map[oracle.Key]int64{j.row("/a", noon): 1, j.row("/b", noon.Add(10*time.Minute)): 1}, j.rows())
		letters := j.letters()
		if assert.Len(t, letters, 1) {
			assert.Equal(t, "too_late", letters[0].dlq["reason"])
		}
	})
}

// TestRecordsOfOldTimesAreRead has a producer write, after a run, records that bear a time of long before: nothing of a
// window that is not final can be among them, but they are to be dead letters, not nothing.
func TestRecordsOfOldTimesAreRead(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		j := newJob(t, c, 2, "--format", "json", "--allowed-lateness", "1m", "--clock-skew", "1m")
		hour := noon.Add(time.Hour)
		j.produce(clickAt(j, 0, "/a", noon, noon), clickAt(j, 0, "/b", hour, hour), clickAt(j, 1, "/a", noon, noon))
		j.run()
		garbage := &kgo.Record{Partition: 1, Timestamp: noon, Value: []byte("GET /")}
		j.produce(clickAt(j, 1, "/dead", noon, noon), garbage, clickAt(j, 1, "/b", hour, hour))

		j.run()
		assert.Equal(t, map[oracle.Key]int64{j.row("/a", noon): 2, j.row("/b", hour): 2}, j.rows())
		var reasons []string
		for _, l := range j.letters() {
			reasons = append(reasons, l.dlq["reason"])
		}
		assert.ElementsMatch(t, []string{"too_late", "json"}, reasons)
	})
}

// TestWhatWasTooLateStaysSo takes a dead letter for what it is, though the window that made its click late has not
// reached the table: the run that wrote it was killed before.
func TestWhatWasTooLateStaysSo(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for name, flags := range formats {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				j := newJob(t, c, 1, append([]string{"--format", "json"}, flags...)...)
				j.produce(j.click(0, "/a", noon))
				j.run()
				j.produce(j.click(0, "/rejected", noon), j.click(0, "/b", noon))
				for _, reason := range []string{"too_late", "json"} { // another reason is not a matter of time
					offset := map[string]int64{"too_late": 1, "json": 2}[reason]
					c.Produce(t, j.settings.DeadLetterTopic, &kgo.Record{Headers: []kgo.RecordHeader{
						{Key: "dlq.reason", Value: []byte(reason)}, {Key: "dlq.topic", Value: []byte(j.settings.Topic)},
						{Key: "dlq.partition", Value: []byte("0")}, {Key: "dlq.offset", Value: fmt.Append(nil, offset)},
					}})
				}
				plan := j.run()
				assert.EqualValues(t, 1, plan.Progress().Skipped)
				assert.Equal(t, map[oracle.Key]int64{j.row("/a", noon): 1, j.row("/b", noon): 1}, j.rows())
			})
		}
	})
}

// TestClockWasPutBack has the table be made by a clock that was ahead of the one by which the dead letters are written.
func TestClockWasPutBack(t *testing.T) {
	t.Parallel()
	j := newJob(t, kafkatest.StartEmbedded(t), 1, "--format", "json", "--table-format", "parquet")
	j.produce(j.click(0, "/a", noon))
	j.run()
	path := filepath.Join(j.settings.Table, "_table.json")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var record map[string]any
	require.NoError(t, json.Unmarshal(text, &record))
	record["made"] = time.Now().Add(putBack - time.Minute)
	text, err = json.Marshal(record)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))

	j.produce(j.click(0, "/rejected", noon), j.click(0, "/b", noon))
	j.tooLate(1)
	plan := j.run()
	assert.EqualValues(t, 1, plan.Progress().Skipped)
	assert.Equal(t, map[oracle.Key]int64{j.row("/a", noon): 1, j.row("/b", noon): 1}, j.rows())
}

// putBack is how far back the clock may be put.
const putBack = time.Hour

// tooLate writes a dead letter of a record of partition 0, as a run does that finds it too late.
func (j *job) tooLate(offset int64) {
	j.Helper()
	j.cluster.Produce(j.T, j.settings.DeadLetterTopic, &kgo.Record{Headers: []kgo.RecordHeader{
		{Key: "dlq.reason", Value: []byte(click.TooLate)}, {Key: "dlq.topic", Value: []byte(j.settings.Topic)},
		{Key: "dlq.partition", Value: []byte("0")}, {Key: "dlq.offset", Value: fmt.Append(nil, offset)},
	}})
}
