package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"clickstream/pipelines/audit"
	"clickstream/pipelines/settings"
)

type tableVerifyCommand struct {
	Settings settings.TableVerify `embed:""`
}

func (*tableVerifyCommand) Help() string {
	return `
Reads the topic from where the table began, by a loop that shares no state with any run, and accounts for every
offset: counted, rejected, too late, pending (not in the table yet), without a record. Compares every row of
every window, and looks for the dead letter of every record that is no click. Prints what differs, by window and
page. Exit code 0 when all is clean, 1 when anything differs.

A run may go on meanwhile. Give the same flags as to run: which records are clicks depends on them.

Examples:

    clickstream table verify --registry http://localhost:8081
    clickstream table verify --format json --last 1h
    clickstream table verify --format json --from 2026-01-31T08:00:00Z --to 2026-01-31T09:00:00Z --output json
`
}

func (c *tableVerifyCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *tableVerifyCommand) Run(ctx context.Context, w io.Writer, common *settings.Common) error {
	meter := newMeter(common)
	report, err := audit.Verify(ctx, &c.Settings, meter.tell)
	meter.end()
	if err != nil {
		return err
	}
	write := report.WriteText
	if c.Settings.Output == "json" {
		write = report.WriteJSON
	}
	return errors.Join(write(w), report.Err())
}

type tableRebuildCommand struct {
	Settings settings.TableRebuild `embed:""`
}

func (*tableRebuildCommand) Help() string {
	return `
Counts the windows from --from to --to anew, from all that the topic has of them now, and replaces each whole:
clicks that came too late are counted as well, and so are records that a run rejected for a schema that was
registered since. Both times are borders of windows. Windows that a run still counts are refused, and none
shrinks: one of which the topic has fewer events than the table is left as it is and told, with exit code 1.

A run may go on meanwhile. The dead letters stay as they are. Give the same flags as to run: which records are
clicks depends on them. A range with more rows than memory should hold is read in several passes.

Examples:

    clickstream table rebuild --registry http://localhost:8081 --from 2026-01-31T08:00:00Z --to 2026-01-31T09:00:00Z
    clickstream table rebuild --format json --from 2026-01-31T08:00:00Z --to 2026-01-31T08:05:00Z --dry-run
`
}

func (c *tableRebuildCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *tableRebuildCommand) Run(ctx context.Context, w io.Writer, common *settings.Common) error {
	meter := newMeter(common)
	done, err := audit.Rebuild(ctx, &c.Settings, meter.tell)
	meter.end()
	if done == nil {
		return err
	}
	write := done.WriteText
	if c.Settings.Output == "json" {
		write = done.WriteJSON
	}
	return errors.Join(err, write(w), done.Err())
}

// meter tells on stderr how far a topic was read: on a terminal each second, in a line that is written over, and
// otherwise by a line of the log now and then.
type meter struct {
	terminal io.Writer // nil for the log
	quiet    bool
	interval time.Duration
	begun    time.Time
	told     time.Time
}

func newMeter(common *settings.Common) *meter {
	m := &meter{quiet: common.Quiet, terminal: common.Terminal(os.Stderr), interval: 10 * time.Second, begun: time.Now(), told: time.Now()}
	if m.terminal != nil {
		m.interval = time.Second
	}
	return m
}

func (m *meter) tell(read, of int64) {
	now := time.Now()
	if m.quiet || now.Sub(m.told) < m.interval {
		return
	}
	m.told = now
	rate := float64(read) / now.Sub(m.begun).Seconds()
	if m.terminal == nil {
		slog.Info("reading the topic", "read", read, "of", of, "offsets_per_s", int64(rate))
		return
	}
	_, _ = fmt.Fprintf(m.terminal, "\r\x1b[K%d of %d offsets read · %.0f a second", read, of, rate)
}

// end takes the line away.
func (m *meter) end() {
	if m.terminal != nil && !m.quiet {
		_, _ = fmt.Fprint(m.terminal, "\r\x1b[K")
	}
}
