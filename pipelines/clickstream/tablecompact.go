package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"clickstream/io/table"
	"clickstream/io/version"
	"clickstream/pipelines/settings"
)

type tableCompactCommand struct {
	Settings settings.TableCompact `embed:""`
}

func (*tableCompactCommand) Help() string {
	return `
Merges the files of a Delta table's closed windows, which a run writes one for each window, into one for each hour
or day and each shard, sorted by window and page: readers open fewer files. The rows stay as they are, and a line
tells of each hour or day. Rows that another program added to a window which the table holds are added up.

It is safe beside a running job, at any time, and run again it goes on with what is new. A window may be replaced
after it as before, by a rebuild for example. The files that were merged go by table vacuum.

Examples:

    clickstream table compact
    clickstream table compact --into day --to 2026-01-31T00:00:00Z
    clickstream table compact --table s3://bucket/silver/page_views_1min --dry-run
`
}

func (c *tableCompactCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *tableCompactCommand) Run(ctx context.Context, w io.Writer) error {
	s := &c.Settings
	into := map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour}[s.Into]
	var files, made, before, after int64
	for done, err := range table.Compact(ctx, s.Table, table.Compaction{
		Into: into, Lateness: s.AllowedLateness, Span: table.Span{From: s.From.Time, To: s.To.Time},
		DryRun: s.DryRun, Version: version.Own(),
	}) {
		if err != nil {
			return err
		}
		files, made, before, after = files+int64(done.Files), made+int64(done.Made), before+done.Bytes, after+done.Shrunk
		size := fmt.Sprintf("%d bytes", done.Bytes)
		if !s.DryRun {
			size += fmt.Sprintf(" to %d", done.Shrunk)
		}
		if _, err := fmt.Fprintf(w, "%s to %s  %d files to %d, %s\n", done.Start.Format(time.RFC3339), done.End.Format(time.RFC3339), done.Files, done.Made, size); err != nil {
			return err
		}
	}
	var err error
	if s.DryRun {
		_, err = fmt.Fprintf(w, "would merge %d files, %d bytes, into %d\n", files, before, made)
	} else {
		_, err = fmt.Fprintf(w, "merged %d files, %d bytes, into %d, %d bytes\n", files, before, made, after)
	}
	return err
}
