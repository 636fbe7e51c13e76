package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"clickstream/io/table"
)

// restart is how long a run takes that goes on where the table is, until the table holds something new.
type restart struct {
	Again int64   `json:"events_read_again"`
	First float64 `json:"first_new_rows_s"` // from the start of the process
	Fetch float64 `json:"fetch_s"`          // of the bare loop, over the same events
}

const (
	restartSpan   = 5 * time.Minute
	restartEvents = int64(steadyRate * restartSpan / time.Second)
)

// measureRestart counts the clicks of five minutes, none of which is final then, has a few more come, whose windows
// close at once, and starts again: all is read again before the new windows are written.
func (b *bench) measureRestart(ctx context.Context, name string, events int64) (r restart, err error) {
	t := topic{Name: name, Format: "avro", Pages: 1000, Events: events}
	if err := b.make(ctx, name); err != nil {
		return r, err
	}
	begin := time.Now().Add(-20 * time.Minute).Truncate(time.Minute)
	if err := b.write(ctx, t, begin, restartSpan); err != nil {
		return r, err
	}
	dir, err := os.MkdirTemp("", "clickstream-bench-")
	if err != nil {
		return r, fmt.Errorf("make a folder for the table: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	run := b.run(t, dir, "--allowed-lateness", "10m")
	if _, err := timed(ctx, "", b.clickstream, append(run, "--until", "latest")...); err != nil {
		return r, err
	}
	self, err := os.Executable()
	if err != nil {
		return r, fmt.Errorf("find the bench's own binary: %w", err)
	}
	fetched, err := timed(ctx, "", self, "-brokers", b.connection.Brokers[0], "-fetch", name)
	if err != nil {
		return r, err
	}
	r.Again, r.Fetch = events, fetched.wall.Seconds()
	t.Events = 10_000
	if err := b.write(ctx, t, begin.Add(restartSpan), 2*time.Minute); err != nil {
		return r, err
	}
	r.First, err = b.firstNew(ctx, dir, begin.Add(restartSpan), run)
	b.say("%s: %d events read again, the first new rows after %.1f s; the bare loop took %.1f s\n", name, r.Again, r.First, r.Fetch)
	return r, err
}

// firstNew starts the run, and returns the seconds until the table holds the window that starts then.
func (b *bench) firstNew(ctx context.Context, dir string, window time.Time, args []string) (seconds float64, err error) {
	view, err := table.View(ctx, dir)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, b.clickstream, args...)
	cmd.Stderr = os.Stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start the pipeline: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		if err != nil && seconds == 0 {
			_ = cmd.Cancel() // it may have ended
		}
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for seconds == 0 {
		select {
		case err := <-ended:
			return 0, fmt.Errorf("the pipeline ended: %w", err)
		case <-tick.C:
		}
		for _, err := range view.Windows(ctx, table.Span{From: window, To: window.Add(time.Minute)}) {
			if err != nil {
				return 0, err
			}
			seconds = time.Since(start).Seconds()
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, fmt.Errorf("stop the pipeline: %w", err)
	}
	return seconds, <-ended
}
