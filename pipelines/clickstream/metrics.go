package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"clickstream/io/flink"
	"clickstream/pipelines/dashboard"
	"clickstream/pipelines/enrichment"
	"clickstream/pipelines/launch"
	"clickstream/pipelines/monitor"
	"clickstream/pipelines/objectives"
	"clickstream/pipelines/pageviews"
	"clickstream/pipelines/settings"
	"clickstream/transforms/progress"
)

// served is a monitor and all that shows what it knows.
type served struct {
	*monitor.Server
	monitor   *monitor.Monitor
	dashboard *dashboard.Dashboard
}

// listen begins to listen at the address that a flag names.
func listen(m *monitor.Monitor, flag, address string, how settings.Listen) (*served, error) {
	page := dashboard.New(m, dashboard.Options{Runbook: "runbook"})
	server, err := monitor.Listen(m, monitor.Serving{
		Flag: flag, Listen: address, CertFile: how.TLSCert, KeyFile: how.TLSKey, TokenFile: how.TokenFile, Profile: how.PProf,
		Dashboard: page, Runbook: objectives.Runbook(),
	})
	if err != nil {
		return nil, err
	}
	return &served{server, m, page}, nil
}

// run watches and serves until ctx ends.
func (s *served) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { s.monitor.Run(ctx) })
	running.Go(func() { s.dashboard.Run(ctx) })
	err := s.Serve(ctx)
	stop()
	running.Wait()
	return err
}

// withMetrics runs a pipeline while what is known of it is served, if its settings name an address. What the steps count
// is taken from them where they run in this process, and else from what they leave behind, as the monitor command does.
func withMetrics(ctx context.Context, job *settings.Job, by launch.Runner, pipeline string, watched monitor.Config, run func() error) error {
	if job.MetricsListen == "" {
		return run()
	}
	watched.FlinkREST = flink.REST(job.FlinkREST)
	if by.IsHere() {
		watched.Process = progress.Of(pipeline)
	}
	m, err := monitor.New(watched)
	if err != nil {
		return err
	}
	served, err := listen(m, "metrics-listen", job.MetricsListen, job.Serve)
	if err != nil {
		return err
	}
	slog.Info("metrics are served", "at", served.URL())
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx)) // until the pipeline has ended, too
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- served.run(ctx) }()
	err = run()
	stop()
	return errors.Join(err, <-ended)
}

// watchRun says what a run's metrics are gathered from.
func watchRun(s *settings.Run, p *pageviews.Plan) monitor.Config {
	return monitor.Config{
		Connection: s.Kafka.Connection(), Topic: s.Topic, Group: s.Group, DeadLetterTopic: s.DeadLetterTopic,
		Table: s.Table, Window: s.Window, AllowedLateness: s.AllowedLateness, FlinkJob: "clickstream-pageviews-" + p.Pipeline[:8],
	}
}

// watchEnrich says what the metrics of enrich are gathered from.
func watchEnrich(s *settings.Enrich, p *enrichment.Plan) monitor.Config {
	return monitor.Config{
		Connection: s.Kafka.Connection(), Topic: s.Topic, Group: s.Group, DeadLetterTopic: s.DeadLetterTopic,
		FlinkJob: "clickstream-enrich-" + p.Pipeline[:8],
	}
}
