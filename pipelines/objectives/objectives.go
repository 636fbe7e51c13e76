// Package objectives is what a pipeline is to keep to, and who is told when it does not: the targets, the alerts with
// what to do about each, and the panels to look at. It is the one definition of them: the rules of Prometheus, the
// configuration of Alertmanager, the dashboard of Grafana and the runbook are written from it (see files), and the
// dashboard page takes its tiles from it.
package objectives

import "fmt"

// Target is what a figure of the pipeline is to keep to.
type Target struct {
	ID    string  `json:"id"`
	Title string  `json:"title"`
	Unit  Unit    `json:"unit"`
	Goal  float64 `json:"goal"`  // it is met below this, or, where More, above
	Limit float64 `json:"limit"` // beyond which somebody is told; zero where nobody is
	More  bool    `json:"more"`  // more is better
	Expr  string  `json:"expr"`  // the figure in PromQL, of each topic and group
}

// Unit is what a figure counts.
type Unit string

// The units of targets and panels.
const (
	Records   Unit = "records"
	PerSecond Unit = "events/s"
	Seconds   Unit = "s"
	Bytes     Unit = "B"
	Number    Unit = ""
)

// The IDs of the targets.
const (
	Lag        = "lag"
	Latency    = "latency"
	Throughput = "throughput"
	Checkpoint = "checkpoint"
)

// Targets are the four.
var Targets = []Target{
	{
		ID: Lag, Title: "Consumer lag", Unit: Records, Goal: 1000, Limit: 5000,
		Expr: "clickstream_consumer_group_lag",
	},
	{
		ID: Latency, Title: "Processing latency, p95", Unit: Seconds, Goal: 30, Limit: 60,
		Expr: "histogram_quantile(0.95, rate(clickstream_processing_latency_seconds_bucket[5m]))",
	},
	{
		ID: Throughput, Title: "Throughput", Unit: PerSecond, Goal: 10_000, More: true,
		Expr: "rate(clickstream_records_read_total[1m])",
	},
	{
		ID: Checkpoint, Title: "Checkpoint duration", Unit: Seconds, Goal: 10, Limit: 30,
		Expr: "clickstream_checkpoint_duration_seconds",
	},
}

// TargetOf returns the target of an ID, one of those above.
func TargetOf(id string) Target {
	for _, t := range Targets {
		if t.ID == id {
			return t
		}
	}
	panic(fmt.Sprintf("there is no target %q", id))
}

// State is how a figure stands to its target.
type State string

// The states, from good to bad.
const (
	Met      State = "met"
	Missed   State = "missed"   // and nobody is told yet
	Alarming State = "alarming" // beyond the limit: somebody is told, once it has lasted as long as the alert says
)

// Judge tells how a figure stands to the target.
func (t Target) Judge(value float64) State {
	better := func(a, b float64) bool { return t.More == (a > b) && a != b }
	switch {
	case better(value, t.Goal):
		return Met
	case t.Limit != 0 && better(t.Limit, value):
		return Alarming
	}
	return Missed
}
