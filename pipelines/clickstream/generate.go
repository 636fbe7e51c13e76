package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"clickstream/pipelines/generate"
	"clickstream/pipelines/settings"
)

type generateCommand struct {
	Settings settings.Generate `embed:""`
}

func (*generateCommand) Help() string {
	return `
Writes synthetic clicks into a topic that exists. The same seed gives the same clicks. With avro, the schema
is registered when it is not, once the registry was asked whether it is compatible with the versions that the subject
has, TOPIC-value: where it is not, nothing is written.

Examples:

    clickstream generate --registry http://localhost:8081 --rate 20000
    clickstream generate --format json --count 5000000 --rate 0 --span 2h --from 2026-01-31T08:00:00Z
    clickstream generate --format json --rate 100 --bad-fraction 0.01 --late-fraction 0.02 --seed 7
`
}

func (c *generateCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *generateCommand) Run(ctx context.Context, _ *settings.Common) error {
	var told time.Time
	begin := time.Now()
	n, bad, err := generate.Topic(ctx, &c.Settings, func(n int64) {
		if time.Since(told) >= 10*time.Second {
			told = time.Now()
			slog.Info("writing clicks", "topic", c.Settings.Topic, "written", n, "of", c.Settings.Count)
		}
	})
	if err != nil {
		return err
	}
	slog.Info(fmt.Sprintf("wrote %d records, %d of them no clicks, to %s in %s", n, bad, c.Settings.Topic, time.Since(begin).Round(10*time.Millisecond)))
	return nil
}
