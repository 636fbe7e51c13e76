// Package status tells how a pipeline goes that runs in this process.
package status

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

// Output is what a pipeline makes, in the words that follow its number.
type Output struct {
	Words string // as «windows written»
	Key   string // in the log
	Count func(progress.Snapshot) int64
}

// Report tells how a pipeline goes until ctx ends: on the terminal w, or to the log if w is nil.
func Report(ctx context.Context, w io.Writer, pipeline *progress.Progress, out Output) {
	interval := logInterval
	if w != nil {
		interval = terminalInterval
		defer func() { _, _ = fmt.Fprint(w, "\r\x1b[K") }()
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	before, then := pipeline.Snapshot(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		after, now := pipeline.Snapshot(), time.Now()
		rate := float64(after.Read-before.Read) / now.Sub(then).Seconds()
		before, then = after, now
		if w == nil {
			logProgress(after, rate, out)
			continue
		}
		_, _ = fmt.Fprintf(w, "\r\x1b[K%.0f events/s · %d read · lag %d · %d %s · rejected %s%s · watermark %s",
			rate, after.Read, after.Lag, out.Count(after), out.Words, Rejects(after), Deferred(after, " · deferred %d"), clock(after))
	}
}

func logProgress(s progress.Snapshot, rate float64, out Output) {
	slog.Info("progress", "events_per_s", int64(rate), "read", s.Read, "counted", s.Counted, "lag", s.Lag,
		out.Key, out.Count(s), "rejected", Rejects(s), "deferred", s.Deferred, "watermark", clock(s))
}

// Rejects returns the rejected records by reason, as «12 (json 10, too_late 2)», or 0.
func Rejects(s progress.Snapshot) string {
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

// Deferred tells in these words how many replayed clicks were left to a rebuild, where there are any.
func Deferred(s progress.Snapshot, words string) string {
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
