package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"clickstream/pipelines/enrichment"
	"clickstream/pipelines/launch"
	"clickstream/pipelines/settings"
)

type enrichCommand struct {
	Settings settings.Enrich `embed:""`
}

func (*enrichCommand) Help() string {
	return `
Reads clicks from a Kafka topic and writes each to the enriched topic, by its event_id, as framed Avro: with the
normalized page, its host and path, the campaign, the day and the hour, and the session. It can be stopped and started
again at any time, killed too: the group's offsets, which are committed with what is written, say where to go on.
The schema is registered when it is not, if it is compatible with what the enriched topic's subject has.

Examples:

    clickstream enrich --registry http://localhost:8081
    clickstream enrich --registry http://localhost:8081 --start earliest --until latest --no-sessions
    clickstream run --registry http://localhost:8081 --topic events.clickstream.enriched --table ./silver/by_normalized_page
`
}

func (c *enrichCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *enrichCommand) Run(ctx context.Context, common *settings.Common) error {
	plan, err := enrichment.Prepare(ctx, &c.Settings)
	if err != nil && ctx.Err() != nil {
		slog.Info("stopped before anything was read")
		return nil
	}
	if err != nil {
		return err
	}
	slog.Info("reading", "topic", c.Settings.Topic, "partitions", len(plan.Extent.Partitions), "start", c.Settings.Start, "until", c.Settings.Until, "to", c.Settings.EnrichedTopic)
	begin := time.Now()
	report := func(ctx context.Context, w io.Writer) { enrichment.Report(ctx, w, plan) }
	err = withMetrics(ctx, &c.Settings.Job, plan.Runner, plan.Pipeline, watchEnrich(&c.Settings, &plan), func() error {
		return withProgress(ctx, common, report, func() error { return enrichment.Run(ctx, plan) })
	})
	if errors.Is(err, launch.ErrLeft) {
		return nil
	}
	if errors.Is(err, launch.ErrCancelled) {
		slog.Info("stopped; what is not committed yet will be read again")
		err = nil
	}
	if err == nil {
		slog.Info(enrichment.Summary(plan, time.Since(begin)))
	}
	return err
}
