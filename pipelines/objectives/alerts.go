package objectives

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Severity says who is told of an alert.
type Severity string

// The severities.
const (
	Page    Severity = "page"    // PagerDuty: somebody gets up
	Chat    Severity = "chat"    // Slack: somebody looks today
	Warning Severity = "warning" // Slack's channel of warnings: somebody looks this week
)

// Severities are all of them, the most urgent first.
var Severities = []Severity{Page, Chat, Warning}

// Alert is something that people are told, and what they are to do about it.
type Alert struct {
	Name     string
	ID       string // its place in the runbook
	Expr     string // in PromQL; its series have the label instance, which the link to the runbook needs
	For      time.Duration
	Severity Severity
	Summary  string // one line, a template of Prometheus

	// The runbook's lines.
	Fires     string
	Meaning   string
	FirstLook string
	Remedy    string
	Clears    string
}

// Job is what Prometheus is to call the monitors that it scrapes, and Address where a monitor listens unless told
// otherwise.
const (
	Job     = "clickstream"
	Address = "127.0.0.1:8080"
)

// ExporterDown is the name of the alert that silences all others of its instance.
const ExporterDown = "ClickstreamExporterDown"

// What was last seen is kept for these minutes where a scrape fails or the exporter starts anew: an incident is not over
// because nobody sees it, and ExporterDown fires long before they are.
const kept = "[15m]"

// seen is a metric as it is, or was last seen; not where the monitor has begun to watch another topic or group since.
func seen(metric string) string {
	return "(" + metric + " or last_over_time(" + metric + kept + ") unless on (job, instance) " + metric + ")"
}

// vital are the sources without which nothing else is told right.
const vital = "kafka|table"

// Alerts are all of them, the most urgent first.
var Alerts = []Alert{
	{
		Name: "ClickstreamConsumerLag", ID: "consumer-lag", Severity: Page, For: 5 * time.Minute,
		Expr:      exceeds(seen(TargetOf(Lag).Expr), Lag),
		Summary:   `{{ $labels.group }} is {{ $value | humanize }} records behind on {{ $labels.topic }}`,
		Fires:     "more than 5,000 records of the topic are not read yet, of all its partitions, for 5 minutes.",
		Meaning:   "The job does not run, hangs, or is slower than the producers; rows come late, and none is lost while Kafka keeps its records.",
		FirstLook: "Does any partition's lag shrink? All grow: the job is down, see its log and its runner. One grows: see that partition's leader and its reader. All shrink: it is catching up.",
		Remedy:    "Start the job again, whatever has become of it: it goes on where the table is. If it runs and falls behind, give it more --readers and --parallelism, and see how long commits take.",
		Clears:    "as soon as the lag is 5,000 or less.",
	},
	{
		Name: "ClickstreamNoCommit", ID: "no-commit", Severity: Page, For: time.Minute,
		Expr:      noCommit,
		Summary:   `{{ $labels.group }} has not committed anything of {{ $labels.topic }} for {{ $value | humanizeDuration }}`,
		Fires:     "the table had no commit for three windows, and for as long there was always something to commit: records not read, or some just read; a table without any commit counts from when the monitor began to watch, and one that is not there at all by windows of 5 minutes. An idle topic does not fire it.",
		Meaning:   "Clicks come, and their windows do not come to the table: the job is down, its watermark stands still, commits fail, or all that it reads is rejected.",
		FirstLook: "Is the lag growing? Then see the alert for it. If not: does the watermark of each partition move, and what does the job's log say of commits?",
		Remedy:    "A watermark that one partition holds: see whether its producers lag, or lower --idle-timeout. Commits that fail: make room on the disk, or renew access to the bucket. Then start the job again.",
		Clears:    "with the next commit, or once there is nothing left to commit.",
	},
	{
		Name: ExporterDown, ID: "exporter-down", Severity: Page, For: 2 * time.Minute,
		Expr:      `up{job="` + Job + `"} == 0 or label_replace(absent(up{job="` + Job + `"}), "instance", "` + Address + `", "", "")`,
		Summary:   `Prometheus cannot scrape {{ $labels.instance }}: nobody watches the pipeline`,
		Fires:     "the monitor does not answer Prometheus, or Prometheus knows of none, for 2 minutes. All other alerts of that instance are silent meanwhile.",
		Meaning:   "Nothing is known of the pipeline, which may well run: it needs no monitor.",
		FirstLook: "Does the process clickstream monitor run, and does curl reach its /healthz from where Prometheus runs?",
		Remedy:    "Start clickstream monitor again: it keeps nothing. If it runs, mend the address, the certificate or the token in prometheus.yml.",
		Clears:    "with the first scrape that succeeds.",
	},
	{
		Name: "ClickstreamSourceDown", ID: "source-down", Severity: Page, For: 5 * time.Minute,
		Expr:      `last_over_time(clickstream_source_up{source=~"` + vital + `"}` + kept + `) == 0`,
		Summary:   `the monitor at {{ $labels.instance }} cannot ask {{ $labels.source }}: nobody watches the pipeline`,
		Fires:     "the monitor has not been able to ask Kafka, or the table, for 5 minutes.",
		Meaning:   "What comes from there is as it last was: lag and commits may be anything, and other alerts are silent, or fire for what is over. What the monitor cannot reach, the job may not reach either.",
		FirstLook: "The monitor's page and its log name the fault. Can the same user reach it: topics check, table show? Does the job go on, by its own log?",
		Remedy:    "Bring back the broker or the bucket, or mend the monitor's access: it needs Describe on the topic and the group, Read on the dead letter topic, and to read the table.",
		Clears:    "as soon as the source answers.",
	},
	{
		Name: "ClickstreamProcessingLatency", ID: "processing-latency", Severity: Chat,
		Expr:      exceeds(TargetOf(Latency).Expr, Latency),
		Summary:   `p95 from Kafka to the count is {{ $value | humanizeDuration }} for {{ $labels.group }} on {{ $labels.topic }}`,
		Fires:     "of the clicks counted in the last 5 minutes, one in twenty has taken longer than 60 seconds from Kafka to its count.",
		Meaning:   "Rows are late, and complete all the same. A job that stands still counts nothing, and is told of by its lag.",
		FirstLook: "Is there lag? Then it catches up after a stop, which passes, or it is too slow. No lag: clocks may differ, or producers send records with old times.",
		Remedy:    "Wait while the lag shrinks. If it does not, give it more --readers and --parallelism, and look for slow commits, a busy disk or a throttled broker.",
		Clears:    "once the p95 of 5 minutes is 60 seconds or less.",
	},
	{
		Name: "ClickstreamDeadLetters", ID: "dead-letters", Severity: Chat, For: 5 * time.Minute,
		Expr: "sum without (reason) (rate(clickstream_dead_letters_total[5m])) / (rate(clickstream_records_read_total[5m]) > 0) > " +
			strconv.FormatFloat(deadLetterShare, 'g', -1, 64),
		Summary:   `{{ $value | humanizePercentage }} of the records of {{ $labels.topic }} are dead letters`,
		Fires:     "more than 1% of the records read were rejected, for 5 minutes. While nothing is read, it is silent.",
		Meaning:   "Some producer writes what is no click, or clicks that come too late. They are kept in the dead letter topic, as they were, and are not counted.",
		FirstLook: "clickstream dlq list says the reasons, dlq list --by time since when, and dlq show what a record holds.",
		Remedy:    "Mend the cause: the producer, a schema that is not registered, a clock, or --allowed-lateness. Then put them back with clickstream dlq replay --rebuild.",
		Clears:    "once 1% or less of the records of 5 minutes are rejected.",
	},
	{
		Name: "ClickstreamCheckpointDuration", ID: "checkpoint-duration", Severity: Warning,
		Expr:      exceeds(seen(TargetOf(Checkpoint).Expr), Checkpoint),
		Summary:   `the last checkpoint of {{ $labels.group }} on {{ $labels.topic }} took {{ $value | humanizeDuration }}`,
		Fires:     "the last checkpoint took longer than 30 seconds; on a runner without checkpoints, the last commit of the table.",
		Meaning:   "A restart repeats more work. Nothing is counted twice and nothing is lost: the table is the checkpoint.",
		FirstLook: "On Flink: which task's share was slow, in its web page under Checkpoints. Elsewhere: the duration of commits, and the files that each one writes.",
		Remedy:    "On Flink: start the job anew when its state has grown, without a savepoint. Slow commits: table compact, table vacuum, and look at the disk or the bucket.",
		Clears:    "with the next one that takes 30 seconds or less.",
	},
	{
		Name: "ClickstreamCheckpointFailures", ID: "checkpoint-failures", Severity: Warning,
		Expr:      "increase(clickstream_checkpoint_failures_total[1h]) >= 3",
		Summary:   `{{ $value | printf "%.0f" }} checkpoints of {{ $labels.group }} on {{ $labels.topic }} have failed in an hour`,
		Fires:     "three checkpoints or more failed within an hour; on a runner without checkpoints, commits of the table.",
		Meaning:   "A restart repeats all work since the last one that was complete. Nothing is counted twice and nothing is lost: the table is the checkpoint.",
		FirstLook: "On Flink: its web page under Checkpoints says which task did not answer, and why. One that runs out of time fails only then, 10 minutes after it began. Elsewhere: what the job's log says of commits.",
		Remedy:    "On Flink: a task that hangs or is overloaded wants more --parallelism, or the job started anew without a savepoint; where state cannot be stored, make room. Commits: make room on the disk, or renew access to the bucket.",
		Clears:    "once fewer than three have failed in the last hour.",
	},
	{
		Name: "ClickstreamOtherSourceDown", ID: "other-source-down", Severity: Warning, For: 5 * time.Minute,
		Expr:      `last_over_time(clickstream_source_up{source!~"` + vital + `"}` + kept + `) == 0`,
		Summary:   `the monitor at {{ $labels.instance }} cannot ask {{ $labels.source }}`,
		Fires:     "the monitor has not been able to ask the dead letter topic or Flink for 5 minutes.",
		Meaning:   "Rejected records, or checkpoints, are as they last were, and nobody is told of new ones. The rest is known.",
		FirstLook: "The monitor's page and its log name the fault. Can the same user reach it: dlq list, Flink's web page?",
		Remedy:    "Bring back the dead letter topic or Flink's REST, or mend the monitor's access: it needs Read on the dead letter topic.",
		Clears:    "as soon as the source answers.",
	},
}

// deadLetterShare of the records read may be dead letters.
const deadLetterShare = 0.01

// noCommit tells for how long the table had no commit, of each topic and group where that is more than three windows and
// there was no quiet moment in them: one with all records read, and none just read. A topic whose clicks come back after
// an idle night has had one, and has its three windows for a first commit. Windows of up to eight hours are told right.
var noCommit = `time() - ` + committed + `
  > on (job, instance, topic, group) 3 * ` + window + `
and on (job, instance, topic, group)
  (` + seen(TargetOf(Lag).Expr) + ` > 0 or increase(clickstream_records_read_total[2m]) > 0)
unless on (job, instance, topic, group)
  time() - max_over_time(timestamp(clickstream_consumer_group_lag == 0 and increase(clickstream_records_read_total[2m]) == 0)[1d:1m])
  <= 3 * ` + window

// What there is of a table without commits: the time at which its lag was first seen stands in for a commit's. One that
// was never made has no windows, and five minutes stand in for their length. Where the monitor has no table, or cannot
// ask it, there is neither.
const (
	tableAnswers = ` and on (job, instance) last_over_time(clickstream_source_up{source="table"}` + kept + `) == 1`
	committed    = `(max without (table) (last_over_time(clickstream_table_last_commit_timestamp_seconds` + kept + `))
      or min_over_time(timestamp(clickstream_consumer_group_lag)[1d:1m])` + tableAnswers + `)`
	window = `(last_over_time(clickstream_window_seconds` + kept + `)
      or 0 * last_over_time(clickstream_consumer_group_lag` + kept + `) + 300` + tableAnswers + `)`
)

// exceeds is the expression of a figure that is beyond its target's limit.
func exceeds(figure, target string) string {
	return fmt.Sprintf("%s > %g", figure, TargetOf(target).Limit)
}

// ranges are the durations of an expression: of ranges, and of subqueries with their steps.
var (
	ranges   = regexp.MustCompile(`\[[0-9a-z]+(:[0-9a-z]+)?\]`)
	duration = regexp.MustCompile(`(\d+)([smhd])`)
)

// units are those of the durations in expressions.
var units = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}

// Faster returns the alert with all its durations that many times shorter, for tests that will not wait for minutes.
func (a Alert) Faster(times int) Alert {
	a.For /= time.Duration(times)
	a.Expr = ranges.ReplaceAllStringFunc(a.Expr, func(r string) string {
		return duration.ReplaceAllStringFunc(r, func(d string) string {
			parts := duration.FindStringSubmatch(d)
			n, _ := strconv.Atoi(parts[1])
			return fmt.Sprintf("%dms", (time.Duration(n) * units[parts[2]] / time.Duration(times)).Milliseconds())
		})
	})
	return a
}
