package main

import (
	"context"
	"errors"

	"clickstream/pipelines/settings"
)

type tableCommand struct {
	Show tableShowCommand `cmd:"" help:"Print rows of the table."`
}

type tableShowCommand struct {
	Settings settings.TableShow `embed:""`
}

func (*tableShowCommand) Help() string {
	return `
Prints the rows of the table in the order of their windows and, within a window, of their pages.

Examples:

    clickstream table show
    clickstream table show --from 2026-01-31T08:00:00Z --to 2026-01-31T09:00:00Z --page /checkout
    clickstream table show --table ./demo/page_views_1min --output csv > views.csv
`
}

func (c *tableShowCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *tableShowCommand) Run(_ context.Context, _ *settings.Common) error {
	return errors.New("table show is not linked in")
}
