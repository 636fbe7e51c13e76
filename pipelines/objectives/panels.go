package objectives

import "strconv"

// Panel is a chart of the dashboard.
type Panel struct {
	Title  string
	About  string // one line
	Unit   Unit
	Target string // ID of the target whose goal and limit it shows; empty where it shows none
	Series []Series
}

// Series are lines of a panel.
type Series struct {
	Name string // a template of Grafana's; labels stand in {{ }}
	Expr string // in PromQL, with Grafana's variables
}

// What panels choose their series by: the dashboard's variables. Process is for what a monitor tells of itself.
const (
	stream  = `{topic=~"$topic",group=~"$group"}`
	ofTable = `{topic=~"$topic",group=~"$group",table=~"$table"}`
	process = `{job="` + Job + `"}`
	rate    = "[$__rate_interval]"
)

// Variables are those of the dashboard, and the series that know their values.
var Variables = []struct{ Name, Of string }{
	{"topic", "clickstream_consumer_group_lag"},
	{"group", "clickstream_consumer_group_lag"},
	{"table", "clickstream_table_version"},
}

// perSecond is the rate of a counter.
func perSecond(counter string) string { return "rate(" + counter + stream + rate + ")" }

// quantiles are lines of a histogram, p50, p95 and p99.
func quantiles(histogram string) []Series {
	var lines []Series
	for _, q := range []int{50, 95, 99} {
		lines = append(lines, Series{
			Name: "p" + strconv.Itoa(q) + " {{topic}}",
			Expr: "histogram_quantile(0." + strconv.Itoa(q) + ", rate(" + histogram + "_bucket" + stream + "[5m]))",
		})
	}
	return lines
}

// Panels are those of the dashboard, the four targets first. The page that the monitor serves shows the same.
var Panels = []Panel{
	{
		Title: "Throughput", Unit: PerSecond, Target: Throughput, About: "Records read, and what became of them.",
		Series: []Series{
			{"read {{topic}}", perSecond("clickstream_records_read_total")},
			{"counted {{topic}}", perSecond("clickstream_clicks_counted_total")},
			{"enriched {{topic}}", perSecond("clickstream_clicks_enriched_total")},
			{"skipped {{topic}}", perSecond("clickstream_clicks_skipped_total")},
			{"deferred {{topic}}", perSecond("clickstream_clicks_deferred_total")},
			{"duplicate {{topic}}", perSecond("clickstream_clicks_duplicate_total")},
			{"dead letters {{topic}}", "sum without (reason) (" + perSecond("clickstream_dead_letters_total") + ")"},
		},
	},
	{
		Title: "Consumer lag", Unit: Records, Target: Lag, About: "Records that the group has not read yet, of all partitions.",
		Series: []Series{{"{{topic}} {{group}}", "clickstream_consumer_group_lag" + stream}},
	},
	{
		Title: "Processing latency", Unit: Seconds, Target: Latency, About: "From a record's time at the broker to its count leaving the reader.",
		Series: quantiles("clickstream_processing_latency_seconds"),
	},
	{
		Title: "Checkpoint duration", Unit: Seconds, Target: Checkpoint, About: "Of the last checkpoint; on a runner without them, of the last commit.",
		Series: []Series{{"{{topic}}", "clickstream_checkpoint_duration_seconds" + stream}},
	},
	{
		Title: "Lag of each partition", Unit: Records, About: "One that grows alone has a reader or a leader of its own trouble.",
		Series: []Series{{"{{topic}} {{partition}}", "clickstream_consumer_lag" + stream}},
	},
	{
		Title: "Watermark delay", Unit: Seconds, About: "How far the watermark of each partition lies behind the clock. Idle partitions hold nothing up.",
		Series: []Series{
			{"{{topic}} {{partition}}", "clickstream_watermark_delay_seconds" + stream},
			{"idle partitions of {{topic}}", "sum without (partition) (clickstream_partition_idle" + stream + ")"},
		},
	},
	{
		Title: "Publish latency", Unit: Seconds, About: "From a window's end to its rows in the table.",
		Series: quantiles("clickstream_publish_latency_seconds"),
	},
	{
		Title: "Dead letters by reason", Unit: PerSecond, About: "Records rejected. More than 1% of what is read is told of.",
		Series: []Series{{"{{reason}}", perSecond("clickstream_dead_letters_total")}},
	},
	{
		Title: "Commits", Unit: Number, About: "Of the table, a minute, and those that were planned anew as somebody else's came first.",
		Series: []Series{
			{"commits {{topic}}", "60 * " + perSecond("clickstream_commits_total")},
			{"conflicts {{topic}}", "60 * " + perSecond("clickstream_commit_conflicts_total")},
			{"files written {{topic}}", "60 * " + perSecond("clickstream_files_written_total")},
		},
	},
	{
		Title: "Commit duration", Unit: Seconds, About: "From a commit's first file to its entry in the table's log.",
		Series: quantiles("clickstream_commit_duration_seconds"),
	},
	{
		Title: "Bundle duration", Unit: Seconds, About: "Of the readers, where they run in the process that is scraped.",
		Series: quantiles("clickstream_bundle_duration_seconds"),
	},
	{
		Title: "Checkpoints", Unit: Number, About: "Completed and failed, an hour.",
		Series: []Series{
			{"completed {{topic}}", "increase(clickstream_checkpoints_total" + stream + "[1h])"},
			{"failed {{topic}}", "increase(clickstream_checkpoint_failures_total" + stream + "[1h])"},
		},
	},
	{
		Title: "Freshness of the table", Unit: Seconds, About: "Since the last commit, and since the end of the newest window.",
		Series: []Series{
			{"last commit of {{table}}", "time() - clickstream_table_last_commit_timestamp_seconds" + ofTable},
			{"newest window of {{table}}", "time() - clickstream_table_newest_window_timestamp_seconds" + ofTable},
		},
	},
	{
		Title: "Files of the table", Unit: Number, About: "Small ones are those that table compact would merge.",
		Series: []Series{
			{"files of {{table}}", "clickstream_table_files" + ofTable},
			{"small files of {{table}}", "clickstream_table_small_files" + ofTable},
		},
	},
	{
		Title: "Size of the table", Unit: Bytes, About: "And what is written to it, a minute.",
		Series: []Series{
			{"{{table}}", "clickstream_table_bytes" + ofTable},
			{"written {{topic}}", "60 * " + perSecond("clickstream_bytes_written_total")},
		},
	},
	{
		Title: "Memory", Unit: Bytes, About: "Of the processes that are scraped.",
		Series: []Series{
			{"resident {{instance}}", "process_resident_memory_bytes" + process},
			{"heap {{instance}}", "go_memstats_heap_inuse_bytes" + process},
		},
	},
	{
		Title: "Goroutines", Unit: Number, About: "Of the processes that are scraped.",
		Series: []Series{{"{{instance}}", "go_goroutines" + process}},
	},
	{
		Title: "Sources of the monitor", Unit: Number, About: "1 is up: it answered when it was last asked.",
		Series: []Series{
			{"{{source}} {{instance}}", "clickstream_source_up" + process},
			{"scraped {{instance}}", "up" + process},
		},
	},
}
