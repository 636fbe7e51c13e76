package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/prometheus/common/expfmt"

	"clickstream/io/flink"
	"clickstream/pipelines/monitor"
	"clickstream/pipelines/settings"
)

type monitorCommand struct {
	Settings settings.Monitor `embed:""`
}

func (*monitorCommand) Help() string {
	return `
Watches a pipeline from outside, on whatever runner it is: by the offsets of its group, the dead letter topic and the
table's log, and by Flink's interface where it is named. It needs no more of the pipeline, changes nothing, and can be
started and stopped at any time; what it counts begins at zero with it.

It serves a page that shows how the pipeline goes at /, metrics for Prometheus at /metrics, what to do about alerts at
/runbook, whether it runs itself at /healthz, and whether the pipeline does its work at /readyz. Only this machine
reaches it, unless --listen names another address: then ask for a token, and use TLS.

Examples:

    clickstream monitor
    clickstream monitor --table s3://bucket/silver/page_views_1min --flink-rest http://flink:8081
    clickstream monitor --listen :8080 --listen-token-file /run/secrets/token --listen-tls-cert cert.pem --listen-tls-key key.pem
    clickstream monitor --group clickstream-enricher --table=
    clickstream monitor --once | grep clickstream_consumer_group_lag
`
}

func (c *monitorCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *monitorCommand) Run(ctx context.Context, w io.Writer) error {
	s := &c.Settings
	m, err := monitor.New(monitor.Config{
		Connection: s.Kafka.Connection(), Topic: s.Topic, Group: s.Group, DeadLetterTopic: s.DeadLetterTopic,
		Table: s.Table, AllowedLateness: s.AllowedLateness,
		FlinkREST: flink.REST(s.FlinkREST), FlinkJob: s.FlinkJob, Interval: s.Interval,
	})
	if err != nil {
		return err
	}
	if s.Once {
		return once(ctx, w, m)
	}
	served, err := listen(m, "listen", s.Listen, s.Serve)
	if err != nil {
		return err
	}
	slog.Info("watching", "topic", s.Topic, "group", s.Group, "table", s.Table, "at", served.URL(), "brokers", strings.Join(s.Kafka.Brokers, ","))
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(monitorGC)
	}
	return served.run(ctx)
}

// monitorGC lets the heap grow by so many percent before it is collected: who watches makes little garbage, and is to be
// small.
const monitorGC = 20

// once looks once, and prints the metrics of what is known by then.
func once(ctx context.Context, w io.Writer, m *monitor.Monitor) error {
	looked := m.Once(ctx)
	if ctx.Err() != nil {
		return looked
	}
	families, err := monitor.Registry(m).Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return err
		}
	}
	return looked
}
