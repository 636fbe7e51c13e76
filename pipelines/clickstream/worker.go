package main

import (
	"context"

	"clickstream/pipelines/launch"
	"clickstream/pipelines/settings"
)

type workerCommand struct {
	Settings settings.Worker `embed:""`
}

func (*workerCommand) Help() string {
	return `
Runs workers for a distributed runner in this process: the pool of run's --environment external. Start one beside
each of the runner's task managers (in the same pod, or on the same machine), of the very binary that submits. It
serves any number of jobs, one after the other or at once, until it is stopped.

Examples:

    clickstream worker
    clickstream worker --listen localhost:50001
`
}

func (c *workerCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *workerCommand) Run(ctx context.Context) error {
	return launch.Pool(ctx, c.Settings.Listen)
}
