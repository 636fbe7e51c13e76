package vitals

import (
	"fmt"
	"strings"
)

// Metric is something that is measured, as Prometheus is told of it.
type Metric struct {
	Name    string
	Type    string // counter, gauge or histogram
	Unit    string
	Labels  []string
	Meaning string // of one value, without a full stop
}

var (
	ofPipeline  = []string{"topic", "group"}
	ofPartition = []string{"topic", "group", "partition"}
	ofTable     = []string{"topic", "group", "table"}
)

// The metrics. What is made of them, and the README's table, is made from these.
var (
	consumerLag     = &Metric{"clickstream_consumer_lag", "gauge", "records", []string{"topic", "partition", "group"}, "Records of the partition that the group has not read yet, by its committed offset; all that the partition holds where the group has none"}
	groupLag        = &Metric{"clickstream_consumer_group_lag", "gauge", "records", ofPipeline, "Records of the topic that the group has not read yet, of all partitions"}
	endOffset       = &Metric{"clickstream_partition_end_offset", "gauge", "offset", []string{"topic", "partition"}, "Offset after the partition's last committed record"}
	committedOffset = &Metric{"clickstream_partition_committed_offset", "gauge", "offset", ofPartition, "Offset that the group has committed, which is the next to be read; absent where it has none"}

	recordsRead       = &Metric{"clickstream_records_read_total", "counter", "records", ofPipeline, "Records read from the topic"}
	clicksCounted     = &Metric{"clickstream_clicks_counted_total", "counter", "clicks", ofPipeline, "Clicks that were counted"}
	clicksSkipped     = &Metric{"clickstream_clicks_skipped_total", "counter", "clicks", ofPipeline, "Clicks left out, as an earlier run had counted them"}
	clicksDeferred    = &Metric{"clickstream_clicks_deferred_total", "counter", "clicks", ofPipeline, "Replayed clicks of closed windows, left to a rebuild"}
	clicksDuplicate   = &Metric{"clickstream_clicks_duplicate_total", "counter", "clicks", ofPipeline, "Clicks of events that were counted already, with --dedupe"}
	clicksEnriched    = &Metric{"clickstream_clicks_enriched_total", "counter", "clicks", ofPipeline, "Clicks that enrich has written"}
	deadLetters       = &Metric{"clickstream_dead_letters_total", "counter", "records", []string{"topic", "group", "reason"}, "Records rejected, by dlq.reason; too_late are the late clicks"}
	processingLatency = &Metric{"clickstream_processing_latency_seconds", "histogram", "seconds", ofPipeline, "From a record's timestamp at the broker to its count leaving the reader, a click each"}
	publishLatency    = &Metric{"clickstream_publish_latency_seconds", "histogram", "seconds", ofPipeline, "From a window's end to its first rows in the table, a window each"}
	bundleDuration    = &Metric{"clickstream_bundle_duration_seconds", "histogram", "seconds", ofPipeline, "Length of a reader's bundle, where the readers run in this process"}
	commitDuration    = &Metric{"clickstream_commit_duration_seconds", "histogram", "seconds", ofPipeline, "From a commit's first file to its entry in the table's log"}
	commits           = &Metric{"clickstream_commits_total", "counter", "commits", ofPipeline, "Commits of the table"}
	commitConflicts   = &Metric{"clickstream_commit_conflicts_total", "counter", "commits", ofPipeline, "Commits that were planned anew, as somebody else's came first"}
	filesWritten      = &Metric{"clickstream_files_written_total", "counter", "files", ofPipeline, "Files written into the table"}
	bytesWritten      = &Metric{"clickstream_bytes_written_total", "counter", "bytes", ofPipeline, "Bytes in the files written into the table"}

	watermark      = &Metric{"clickstream_watermark_timestamp_seconds", "gauge", "seconds since 1970", ofPartition, "Watermark of the partition's clicks; absent while it is not known"}
	watermarkDelay = &Metric{"clickstream_watermark_delay_seconds", "gauge", "seconds", ofPartition, "How far the partition's watermark is behind the clock; absent while it is not known"}
	partitionIdle  = &Metric{"clickstream_partition_idle", "gauge", "0 or 1", ofPartition, "Whether the partition is caught up and silent, and left out of the pipeline's watermark"}
	windowLength   = &Metric{"clickstream_window_seconds", "gauge", "seconds", ofPipeline, "Length of a window"}

	checkpointDuration = &Metric{"clickstream_checkpoint_duration_seconds", "gauge", "seconds", ofPipeline, "How long Flink's last checkpoint took; on other runners the last commit"}
	checkpoints        = &Metric{"clickstream_checkpoints_total", "counter", "checkpoints", ofPipeline, "Flink's completed checkpoints; on other runners the commits"}
	checkpointFailures = &Metric{"clickstream_checkpoint_failures_total", "counter", "checkpoints", ofPipeline, "Flink's failed checkpoints"}

	tableVersion = &Metric{"clickstream_table_version", "gauge", "version", ofTable, "Version of the table; absent where it has no log"}
	tableFiles   = &Metric{"clickstream_table_files", "gauge", "files", ofTable, "Files of the table"}
	smallFiles   = &Metric{"clickstream_table_small_files", "gauge", "files", ofTable, "Files that table compact would merge"}
	tableBytes   = &Metric{"clickstream_table_bytes", "gauge", "bytes", ofTable, "Size of the table's files"}
	lastCommit   = &Metric{"clickstream_table_last_commit_timestamp_seconds", "gauge", "seconds since 1970", ofTable, "When the table's last commit was made"}
	newestWindow = &Metric{"clickstream_table_newest_window_timestamp_seconds", "gauge", "seconds since 1970", ofTable, "End of the newest window in the table"}

	sourceUp  = &Metric{"clickstream_source_up", "gauge", "0 or 1", []string{"source"}, "Whether what the metrics are gathered from answered when it was last asked, of kafka, table, dead_letters, flink and process"}
	buildInfo = &Metric{"clickstream_build_info", "gauge", "1", []string{"version", "go_version", "revision"}, "Which program this is"}
)

// Metrics are all of them, in the order in which they are told of.
var Metrics = []*Metric{
	consumerLag, groupLag, endOffset, committedOffset,
	recordsRead, clicksCounted, clicksSkipped, clicksDeferred, clicksDuplicate, clicksEnriched, deadLetters,
	processingLatency, publishLatency, bundleDuration, commitDuration, commits, commitConflicts, filesWritten, bytesWritten,
	watermark, watermarkDelay, partitionIdle, windowLength, checkpointDuration, checkpoints, checkpointFailures,
	tableVersion, tableFiles, smallFiles, tableBytes, lastCommit, newestWindow, sourceUp, buildInfo,
}

// Help returns what Prometheus shows of the metric: its meaning and its unit.
func (m *Metric) Help() string {
	if strings.ContainsAny(m.Unit[:1], "01") { // it tells all values there are
		return m.Meaning + ": " + m.Unit + "."
	}
	return m.Meaning + ", in " + m.Unit + "."
}

// MetricsTable returns the metrics as a Markdown table, a line each.
func MetricsTable() string {
	var b strings.Builder
	b.WriteString("| metric | type | unit | labels | meaning |\n|---|---|---|---|---|\n")
	for _, m := range Metrics {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Type, m.Unit, strings.Join(m.Labels, ", "), m.Meaning)
	}
	return b.String()
}
