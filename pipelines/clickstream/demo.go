package main

import (
	"context"
	"io"

	"clickstream/pipelines/demo"
	"clickstream/pipelines/settings"
)

type demoCommand struct {
	Settings settings.Demo `embed:""`
}

func (*demoCommand) Help() string {
	return `
Runs the main job on this machine with nothing installed: an embedded broker and schema registry, some
minutes of clicks and then live ones, a few bad and late records among them, and a live view of what is
counted.

Examples:

    clickstream demo
    clickstream demo --for 30s --plain
    clickstream demo --rate 5000 --table /tmp/views
`
}

func (c *demoCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *demoCommand) Run(ctx context.Context, common *settings.Common, w io.Writer) error {
	return demo.Run(ctx, &c.Settings, common, w)
}
