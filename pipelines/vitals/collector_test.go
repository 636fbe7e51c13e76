package vitals_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/vitals"
	"clickstream/transforms/click"
)

// told is a source that tells what it was told.
type told vitals.Vitals

func (t told) Vitals() vitals.Vitals { return vitals.Vitals(t) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// everything is vitals with something of all that there is.
func everything() told {
	v := told{
		At: noon, Topic: "clicks", Group: "counter", Table: "./views", Window: time.Minute,
		Parts:    []vitals.Part{{Name: "kafka", Up: true}, {Name: "table", Fault: "it is gone"}},
		Rejects:  map[click.Reason]int64{click.JSON: 3, click.TooLate: 2},
		Counters: vitals.Counters{Read: 100, Counted: 90, Skipped: 4, Deferred: 3, Duplicates: 2, Commits: 7, Conflicts: 1, Files: 8, Bytes: 4096, Forwarded: 5},
		Partitions: []vitals.Partition{
			{Number: 0, End: 120, Committed: 100, Lag: 20, Watermark: noon.Add(-15 * time.Second)},
			{Number: 1, End: 7, Committed: -1, Lag: 7},
			{Number: 2, End: 5, Committed: 5, Watermark: noon.Add(-time.Second), Idle: true},
		},
		State:       &vitals.TableState{Version: 12, Files: 30, SmallFiles: 20, Bytes: 1 << 20, LastCommit: noon.Add(-time.Minute), NewestEnd: noon.Add(-2 * time.Minute)},
		Checkpoints: &vitals.Checkpoints{Completed: 9, Failed: 1, Last: 1500 * time.Millisecond},
	}
	v.Latency.Observe(40*time.Millisecond, 90)
	v.Latency.Observe(2*time.Hour, 1)
	v.Publish.Observe(11*time.Second, 2)
	v.Commit.Observe(30*time.Millisecond, 7)
	v.Bundle.Observe(time.Second, 3)
	return v
}

func TestMetricsAreAsPrometheusWantsThem(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(vitals.NewCollector(everything())))
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	assert.Empty(t, problems)

	families, err := registry.Gather()
	require.NoError(t, err)
	var got, want []string
	for _, f := range families {
		got = append(got, f.GetName()+" "+strings.ToLower(f.GetType().String())+": "+f.GetHelp())
	}
	for _, m := range vitals.Metrics {
		want = append(want, m.Name+" "+m.Type+": "+m.Help())
	}
	assert.ElementsMatch(t, want, got, "each is there, where all is known")
}

func TestValues(t *testing.T) {
	want := `
		clickstream_consumer_lag{group="counter",partition="0",topic="clicks"} 20
		clickstream_consumer_lag{group="counter",partition="1",topic="clicks"} 7
		clickstream_consumer_lag{group="counter",partition="2",topic="clicks"} 0
		clickstream_consumer_group_lag{group="counter",topic="clicks"} 27
		clickstream_partition_committed_offset{group="counter",partition="0",topic="clicks"} 100
		clickstream_partition_committed_offset{group="counter",partition="2",topic="clicks"} 5
		clickstream_records_read_total{group="counter",topic="clicks"} 100
		clickstream_watermark_timestamp_seconds{group="counter",partition="0",topic="clicks"} 1.772366385e+09
		clickstream_watermark_timestamp_seconds{group="counter",partition="2",topic="clicks"} 1.772366399e+09
		clickstream_watermark_delay_seconds{group="counter",partition="0",topic="clicks"} 15
		clickstream_watermark_delay_seconds{group="counter",partition="2",topic="clicks"} 1
		clickstream_partition_idle{group="counter",partition="0",topic="clicks"} 0
		clickstream_partition_idle{group="counter",partition="1",topic="clicks"} 0
		clickstream_partition_idle{group="counter",partition="2",topic="clicks"} 1
		clickstream_checkpoint_duration_seconds{group="counter",topic="clicks"} 1.5
		clickstream_checkpoint_failures_total{group="counter",topic="clicks"} 1
		clickstream_window_seconds{group="counter",topic="clicks"} 60
		clickstream_table_files{group="counter",table="./views",topic="clicks"} 30
		clickstream_table_small_files{group="counter",table="./views",topic="clicks"} 20
		clickstream_table_newest_window_timestamp_seconds{group="counter",table="./views",topic="clicks"} 1.77236628e+09
		clickstream_source_up{source="kafka"} 1
		clickstream_source_up{source="table"} 0
	`
	compare(t, everything(), want)
}

func TestAHistogramIsCumulative(t *testing.T) {
	families := gather(t, everything())
	h := families["clickstream_processing_latency_seconds"].GetMetric()[0].GetHistogram()
	assert.EqualValues(t, 91, h.GetSampleCount())
	assert.InDelta(t, 90*0.04+7200, h.GetSampleSum(), 1e-9)
	require.Len(t, h.GetBucket(), len(click.DurationBounds))
	assert.InDelta(t, 0.025, h.GetBucket()[2].GetUpperBound(), 1e-9)
	assert.Zero(t, h.GetBucket()[2].GetCumulativeCount())
	assert.EqualValues(t, 90, h.GetBucket()[3].GetCumulativeCount())
	assert.EqualValues(t, 90, h.GetBucket()[len(click.DurationBounds)-1].GetCumulativeCount(), "one exceeds every bound")
}

func TestBeforeAnythingIsKnown(t *testing.T) {
	families := gather(t, told{At: noon, Topic: "clicks", Group: "counter"})
	rejects := families["clickstream_dead_letters_total"].GetMetric()
	assert.Len(t, rejects, len(click.Reasons), "all reasons, at zero")
	for _, m := range rejects {
		assert.Zero(t, m.GetCounter().GetValue())
	}
	assert.Zero(t, families["clickstream_processing_latency_seconds"].GetMetric()[0].GetHistogram().GetSampleCount())
	for _, absent := range []string{
		"clickstream_consumer_lag", "clickstream_consumer_group_lag", "clickstream_table_files", "clickstream_checkpoints_total", "clickstream_window_seconds",
	} {
		assert.NotContains(t, families, absent, "what is not known is not zero")
	}
	caughtUp := gather(t, told{At: noon, Partitions: []vitals.Partition{{Number: 0, End: 5, Committed: 5}}})
	assert.Len(t, caughtUp["clickstream_consumer_group_lag"].GetMetric(), 1, "a lag of zero is told")
}

func TestATableOfFilesHasNoVersion(t *testing.T) {
	families := gather(t, told{At: noon, State: &vitals.TableState{Version: -1, Files: 3}})
	assert.NotContains(t, families, "clickstream_table_version")
	assert.NotContains(t, families, "clickstream_table_last_commit_timestamp_seconds")
	assert.InDelta(t, 3, families["clickstream_table_files"].GetMetric()[0].GetGauge().GetValue(), 0)
}

func TestMetricsTable(t *testing.T) {
	table := vitals.MetricsTable()
	assert.Equal(t, len(vitals.Metrics)+2, strings.Count(table, "\n"))
	assert.Contains(t, table, "| `clickstream_consumer_group_lag` | gauge | records | topic, group | Records of the topic that the group has not read yet, of all partitions |\n")
	for line := range strings.Lines(table) {
		assert.Equal(t, 6, strings.Count(line, "|"), line)
	}
}
