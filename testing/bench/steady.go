package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"clickstream/io/table"
)

// steady is what a run costs while clicks come at a steady rate.
type steady struct {
	Rate     int     `json:"rate_events_per_s"`
	Seconds  float64 `json:"seconds"`
	CPU      float64 `json:"cpu_cores"`        // processor time of the pipeline to wall time, once it has settled
	Memory   int64   `json:"peak_rss_bytes"`   // of the pipeline
	Behind   float64 `json:"row_behind_max_s"` // from a window's end and the watermark delay to its file, the largest
	Windows  int     `json:"windows"`          // that closed in the time
	Produced int64   `json:"produced"`
}

const (
	settle         = 10 * time.Second // before the processor's time is counted
	watermarkDelay = 10 * time.Second // the default of run
)

// measureSteady writes clicks at a rate for some time, while the pipeline counts them.
func (b *bench) measureSteady(ctx context.Context, name string, rate int, long time.Duration) (steady, error) {
	s := steady{Rate: rate, Seconds: long.Seconds()}
	if err := b.make(ctx, name); err != nil {
		return s, err
	}
	dir, err := os.MkdirTemp("", "clickstream-bench-")
	if err != nil {
		return s, fmt.Errorf("make a folder for the table: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	where := []string{"--brokers", b.connection.Brokers[0], "--registry", b.registry, "--topic", name, "--quiet"}
	run := exec.CommandContext(ctx, b.clickstream, append([]string{"run", "--table", dir, "--table-format", "parquet",
		"--dead-letter-topic", name + "-dlq", "--group", name, "--start", "earliest"}, where...)...)
	run.Stderr = os.Stderr
	if err := run.Start(); err != nil {
		return s, fmt.Errorf("start the pipeline: %w", err)
	}
	defer abandon(run)
	s.Produced = int64(float64(rate) * long.Seconds())
	generate := exec.CommandContext(ctx, b.clickstream, append([]string{"generate", "--rate", strconv.Itoa(rate),
		"--count", strconv.FormatInt(s.Produced, 10)}, where...)...)
	generate.Stderr = os.Stderr
	if err := generate.Start(); err != nil {
		return s, fmt.Errorf("start the generator: %w", err)
	}
	defer abandon(generate)
	if err := b.watch(ctx, run.Process.Pid, dir, &s, long); err != nil {
		return s, err
	}
	return s, end(generate, run)
}

// end waits for the generator, and then ends the pipeline as Ctrl-C does.
func end(generate, run *exec.Cmd) error {
	if err := generate.Wait(); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the pipeline: %w", err)
	}
	if err := run.Wait(); err != nil {
		return fmt.Errorf("the pipeline: %w", err)
	}
	return nil
}

// abandon ends a command that was started, if it still runs.
func abandon(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = cmd.Cancel() // it may be ending
		_ = cmd.Wait()   // that it failed has been said
	}
}

// watch looks at the process and at the table's files until the time is over.
func (b *bench) watch(ctx context.Context, pid int, dir string, s *steady, long time.Duration) error {
	begin := time.Now()
	var from float64
	var since time.Time
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for time.Since(begin) < long {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		cpu, rss, err := usage(pid)
		if err != nil {
			return err
		}
		s.Memory = max(s.Memory, rss)
		if since.IsZero() && time.Since(begin) >= settle {
			from, since = cpu, time.Now()
		}
		if !since.IsZero() {
			s.CPU = (cpu - from) / max(time.Since(since).Seconds(), 1)
		}
		b.say("\rsteady: %s of %s, %.2f cores, %d MB", time.Since(begin).Round(time.Second), long, s.CPU, rss>>20)
	}
	b.say("\n")
	return behind(ctx, dir, begin, s)
}

// behind compares when each window's file was written with when it could be: the window's end and the delay. The
// window in which the run began is left out.
func behind(ctx context.Context, dir string, begin time.Time, s *steady) error {
	t, err := table.View(ctx, dir)
	if err != nil {
		return err
	}
	for w, err := range t.Windows(ctx, table.Span{From: begin}) {
		if err != nil {
			return err
		}
		files, err := filepath.Glob(filepath.Join(dir, "window_date=*", w.Start.UTC().Format("20060102T150405Z")+"-*.parquet"))
		if err != nil || len(files) == 0 {
			return errors.Join(err, fmt.Errorf("window %s has no file", w.Start))
		}
		f, err := os.Stat(files[0])
		if err != nil {
			return fmt.Errorf("look at a window's file: %w", err)
		}
		s.Windows++
		s.Behind = max(s.Behind, f.ModTime().Sub(w.End.Add(watermarkDelay)).Seconds())
	}
	return nil
}

// usage returns the processor seconds that a process has used, and its resident bytes, as Linux tells.
func usage(pid int) (cpu float64, rss int64, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("the pipeline ended: %w", err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var ticks, pages int64
	for field, into := range map[int]*int64{11: nil, 12: nil, 21: &pages} { // utime, stime, rss: proc(5)
		n, err := strconv.ParseInt(fields[field], 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
		}
		if into != nil {
			*into = n
			continue
		}
		ticks += n
	}
	return float64(ticks) / 100, pages * int64(os.Getpagesize()), nil
}
