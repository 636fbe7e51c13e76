package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"clickstream/pipelines/launch"
	"clickstream/pipelines/pageviews"
	"clickstream/pipelines/settings"
)

type runCommand struct {
	Settings settings.Run `embed:""`
}

func (*runCommand) Help() string {
	return `
Reads clicks from a Kafka topic, counts them per page and window, and writes the counts to the table. It can
be stopped and started again at any time, killed too: the table says where to go on.

Examples:

    clickstream run --registry http://localhost:8081
    clickstream run --format json --start earliest --until latest --table ./views
    clickstream run --config clickstream.yaml --allowed-lateness 10m
    clickstream run --brokers kafka:9093 --tls-ca ca.pem --sasl-mechanism SCRAM-SHA-512 --sasl-user alice --sasl-password-file /run/secrets/kafka --registry https://registry:8081
`
}

func (c *runCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *runCommand) Run(ctx context.Context, common *settings.Common) error {
	plan, err := pageviews.Prepare(ctx, &c.Settings)
	if err != nil && ctx.Err() != nil {
		slog.Info("stopped before anything was read")
		return nil
	}
	if err != nil {
		return err
	}
	slog.Info("reading", "topic", c.Settings.Topic, "partitions", len(plan.Extent.Partitions), "start", c.Settings.Start, "until", c.Settings.Until, "table", c.Settings.Table)
	begin := time.Now()
	report := func(ctx context.Context, w io.Writer) { pageviews.Report(ctx, w, plan) }
	err = withMetrics(ctx, &c.Settings.Job, plan.Runner, plan.Pipeline, watchRun(&c.Settings, &plan), func() error {
		return withProgress(ctx, common, report, func() error { return pageviews.Run(ctx, plan) })
	})
	if errors.Is(err, launch.ErrLeft) {
		return nil
	}
	if errors.Is(err, launch.ErrCancelled) {
		slog.Info("stopped; what is not in the table yet will be read again")
		err = nil
	}
	if err == nil {
		slog.Info(pageviews.Summary(plan, time.Since(begin)))
	}
	return err
}
