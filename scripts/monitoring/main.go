// Command monitoring writes what Prometheus, Alertmanager and Grafana read, and the runbook, from pipelines/objectives.
//
//	go run ./scripts/monitoring
//	go run ./scripts/monitoring -runbook https://wiki.example/clickstream -secrets /run/secrets -to /etc/prometheus
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"clickstream/pipelines/objectives"
	"clickstream/pipelines/objectives/files"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "monitoring:", err)
		os.Exit(1)
	}
}

func run() error {
	var o files.Options
	to := flag.String("to", "scripts/monitoring", "folder to write to")
	flag.StringVar(&o.Runbook, "runbook", "", "where runbook.md is published, which alerts link to; the monitor's own page unless it is named, over HTTP without TLS")
	flag.StringVar(&o.Secrets, "secrets", "", "folder of pagerduty.key and slack.url, which Alertmanager reads; /etc/prometheus unless it is named")
	monitors := flag.String("monitors", objectives.Address, "host:port of each monitor, with commas between them")
	flag.StringVar(&o.Alertmanager, "alertmanager", "", "host:port of Alertmanager; 127.0.0.1:9093 unless it is named")
	flag.Parse()
	o.Monitors = strings.Split(*monitors, ",")
	all, err := files.All(o)
	if err != nil {
		return err
	}
	for _, f := range all {
		if err := os.WriteFile(filepath.Join(*to, f.Name), f.Text, 0o644); err != nil { //nolint:gosec // all may read it
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
	}
	return nil
}
