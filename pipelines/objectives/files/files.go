// Package files writes the objectives as what others read: Prometheus, Alertmanager, Grafana, and people.
package files

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"clickstream/pipelines/objectives"
	"clickstream/pipelines/vitals"
)

// Options are what may differ from what is kept in scripts/monitoring. The zero value is what is kept there.
type Options struct {
	Runbook      string   // base of the links to the runbook; the monitor's own, over HTTP without TLS, where it is empty
	Secrets      string   // folder of the files pagerduty.key and slack.url; /etc/prometheus where it is empty
	Monitors     []string // host:port of each; where one listens unless told otherwise, where there are none
	Alertmanager string   // host:port; 127.0.0.1:9093 where it is empty

	// For tests.
	PagerDuty string // where events go; PagerDuty's own address where it is empty
	Faster    int    // how many times shorter all durations are; as they are where it is zero
}

// File is one that is written.
type File struct {
	Name string
	Text []byte
}

// All returns the files of scripts/monitoring.
func All(o Options) ([]File, error) {
	dashboard, err := grafana()
	if err != nil {
		return nil, err
	}
	var files []File
	for _, f := range []struct {
		name string
		of   any
	}{{"rules.yml", rules(o)}, {"alertmanager.yml", alertmanager(o)}, {"prometheus.yml", scraping(o)}} {
		text, err := encode(f.name, f.of)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: f.name, Text: text})
	}
	return append(files,
		File{Name: "grafana.json", Text: dashboard},
		File{Name: "runbook.md", Text: []byte(objectives.Markdown())},
		File{Name: "metrics.md", Text: []byte("# Metrics\n\nWhat `clickstream monitor`, and a run with `--metrics-listen`, tell Prometheus, beside Go's own metrics of the process. " +
			"What counts begins at zero with the process that tells it.\n\n" + vitals.MetricsTable())}), nil
}

// heads say of each YAML file what it is for.
var heads = map[string]string{
	"rules.yml": "Alerts for Prometheus, 2.42 or later. What each means is in runbook.md.",
	"alertmanager.yml": "Who is told of alerts, for Alertmanager, 0.25 or later. Put PagerDuty's routing key (Events API v2) and the URL of\n" +
		"# Slack's incoming webhook into the files that it names, and say which channels are yours.",
	"prometheus.yml": "How Prometheus scrapes a monitor. One that serves TLS wants, beside job_name,\n" +
		"#   scheme: https\n#   tls_config: {ca_file: FILE}\n# and one with a token\n#   authorization: {credentials_file: FILE}\n" +
		"# Alerts link to http://MONITOR/runbook: behind TLS or a token, write the rules with -runbook URL, where runbook.md is\n# published.",
}

// encode returns the YAML of a file.
func encode(name string, of any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# " + heads[name] + "\n# Written by go run ./scripts/monitoring from pipelines/objectives, as are its neighbours.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(of); err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return b.Bytes(), nil
}
