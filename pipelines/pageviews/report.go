package pageviews

import (
	"context"
	"fmt"
	"io"
	"time"

	"clickstream/pipelines/status"
	"clickstream/transforms/progress"
)

// Report tells how p goes until ctx ends: on the terminal w, or to the log if w is nil. Of steps that run elsewhere
// it knows nothing.
func Report(ctx context.Context, w io.Writer, p Plan) {
	if p.Runner.IsHere() {
		status.Report(ctx, w, progress.Of(p.Pipeline), status.Output{
			Words: "windows written", Key: "windows_written", Count: func(s progress.Snapshot) int64 { return s.Windows },
		})
	}
}

// Summary says in a line what a run has done.
func Summary(p Plan, took time.Duration) string {
	if !p.Runner.IsHere() {
		return fmt.Sprintf("the job ended after %s; what it counted is in %s", took.Round(10*time.Millisecond), p.Store.Table.Path)
	}
	s := p.Progress()
	duplicates := ""
	if p.Count.Once {
		duplicates = fmt.Sprintf(", %d of them duplicates", s.Duplicates)
	}
	return fmt.Sprintf("read %d records in %s: counted %d%s, rejected %s, skipped %d as counted before%s; wrote %d windows to %s",
		s.Read, took.Round(10*time.Millisecond), s.Counted, duplicates, status.Rejects(s), s.Skipped, status.Deferred(s, ", deferred %d replayed clicks of closed windows"), s.Windows, p.Store.Table.Path)
}
