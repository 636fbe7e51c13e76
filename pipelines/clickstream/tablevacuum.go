package main

import (
	"context"
	"fmt"
	"io"

	"clickstream/io/table"
	"clickstream/pipelines/settings"
)

type tableVacuumCommand struct {
	Settings settings.TableVacuum `embed:""`
}

func (*tableVacuumCommand) Help() string {
	return `
Removes the files of a Delta table that no version needs any more: what was replaced, and what a run that was killed has left. It is safe beside a running job, and keeps at least the last hour, as what was written and is not committed yet looks like what was left. By default it only tells what it would remove.

Examples:

    clickstream table vacuum
    clickstream table vacuum --retain 24h --no-dry-run
`
}

func (c *tableVacuumCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *tableVacuumCommand) Run(ctx context.Context, w io.Writer) error {
	var files, bytes int64
	for g, err := range table.Vacuum(ctx, c.Settings.Table, c.Settings.Retain, c.Settings.DryRun) {
		if err != nil {
			return err
		}
		files++
		bytes += g.Bytes
		if _, err := fmt.Fprintln(w, g.Name); err != nil {
			return err
		}
	}
	done := "removed"
	if c.Settings.DryRun {
		done = "would remove"
	}
	_, err := fmt.Fprintf(w, "%s %d files, %d bytes\n", done, files, bytes)
	return err
}
