package pageviews

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"clickstream/transforms/click"
	"clickstream/transforms/progress"
)

// How often a run tells how it goes: on a terminal, where the line is written over, and in a log.
const (
	terminalInterval = time.Second
	logInterval      = 10 * time.Second
)

// Report tells how p goes until ctx ends: on the terminal w, or to the log if w is nil. Of steps that run elsewhere
// it knows nothing.
func Report(ctx context.Context, w io.Writer, p Plan) {
	if !p.Runner.IsHere() {
		return
	}
	interval := logInterval
	if w != nil {
		interval = terminalInterval
		defer func() { _, _ = fmt.Fprint(w, "\r\x1b[K") }()
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	before, then := p.Progress(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		after, now := p.Progress(), time.Now()
		rate := float64(after.Read-before.Read) / now.Sub(then).Seconds()
		before, then = after, now
		if w == nil {
			logProgress(after, rate)
			continue
		}
		_, _ = fmt.Fprintf(w, "\r\x1b[K%.0f events/s · %d read · lag %d · %d windows written · rejected %s%s · watermark %s",
			rate, after.Read, after.Lag, after.Windows, rejects(after), deferred(after, " · deferred %d"), clock(after))
	}
}

func logProgress(s progress.Snapshot, rate float64) {
	slog.Info("progress", "events_per_s", int64(rate), "read", s.Read, "counted", s.Counted, "lag", s.Lag,
		"windows_written", s.Windows, "rejected", rejects(s), "deferred", s.Deferred, "watermark", clock(s))
}

// Summary says in a line what a run has done.
func Summary(p Plan, took time.Duration) string {
	if !p.Runner.IsHere() {
		return fmt.Sprintf("the job ended after %s; what it counted is in %s", took.Round(10*time.Millisecond), p.Store.Table.Path)
	}
	s := p.Progress()
	return fmt.Sprintf("read %d records in %s: counted %d, rejected %s, skipped %d as counted before%s; wrote %d windows to %s",
		s.Read, took.Round(10*time.Millisecond), s.Counted, rejects(s), s.Skipped, deferred(s, ", deferred %d replayed clicks of closed windows"), s.Windows, p.Store.Table.Path)
}

// rejects returns the rejected records by reason, as «12 (json 10, too_late 2)», or 0.
func rejects(s progress.Snapshot) string {
	var total int64
	var parts []string
	for _, r := range slices.SortedFunc(maps.Keys(s.Rejected), func(a, b click.Reason) int { return strings.Compare(string(a), string(b)) }) {
		total += s.Rejected[r]
		parts = append(parts, fmt.Sprintf("%s %d", r, s.Rejected[r]))
	}
	if total == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", total, strings.Join(parts, ", "))
}

// deferred tells in these words how many replayed clicks were left to a rebuild, where there are any.
func deferred(s progress.Snapshot, words string) string {
	if s.Deferred == 0 {
		return ""
	}
	return fmt.Sprintf(words, s.Deferred)
}

func clock(s progress.Snapshot) string {
	if s.Watermark.IsZero() {
		return "none"
	}
	return s.Watermark.Format(time.RFC3339)
}
