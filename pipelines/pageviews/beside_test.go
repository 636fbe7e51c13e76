package pageviews_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
)

// beside returns another job on the topic, the dead letters and the table of j.
func (j *job) beside(args ...string) *job {
	j.Helper()
	j.shared = true
	return newJobOn(j.T, j.cluster, j.settings.Topic, append(args, "--table", j.settings.Table, "--dead-letter-topic", j.settings.DeadLetterTopic)...)
}

// TestTwoRunsOnOneTable has two runs count the same topic into the same table at once, while clicks come. The table is
// exact, and with a log each run tells of the other.
func TestTwoRunsOnOneTable(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for format, flags := range formats {
			t.Run(format, func(t *testing.T) {
				t.Parallel()
				args := append(append([]string{}, live...), flags...)
				j := newJob(t, c, 2, args...)
				other := j.beside(args...)
				j.bundle, other.bundle = 130*time.Millisecond, 170*time.Millisecond // so that either is first, at times
				both := []*running{j.start(), other.start()}
				told := func() int {
					return len(log.with("another program commits to this table at the same time; both stay exact", j.settings.Table, "program=clickstream/"))
				}
				closed := map[oracle.Key]int64{}
				at := noon
				eventually(t, func() bool {
					for p := range int32(2) {
						j.produce(j.click(p, "/", at), j.click(p, fmt.Sprint("/", at.Unix()), at.Add(11*time.Second)))
					}
					for _, r := range both {
						r.reads(j.produced)
						r.shows(closed)
					}
					closed[j.row("/", at)], closed[j.row(fmt.Sprint("/", at.Unix()), at.Add(11*time.Second))] = 2, 2
					at = at.Add(time.Minute)
					return len(closed) >= 16 && (format == "parquet" || told() == 2)
				}, "not both runs tell of the other")
				for _, r := range both {
					r.stop()
				}
				assert.Equal(t, map[string]int{"delta": 2, "parquet": 0}[format], told(), "each tells it once")

				// What was read and not committed is read again, by two that end at once.
				j.settings.Until.Word, other.settings.Until.Word = "latest", "latest"
				both = []*running{j.start(), other.start()}
				for _, r := range both {
					require.NoError(t, r.wait())
				}
				j.exact()
				assert.Empty(t, j.letters())
			})
		}
	})
}
