package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"gonum.org/v1/gonum/stat"

	"clickstream/io/flink"
)

// soak is how a job on Flink fares that first catches up, and then goes on at a steady rate for long.
type soak struct {
	Rate       int          `json:"rate_events_per_s"`
	Seconds    float64      `json:"seconds"`
	Backlog    int64        `json:"backlog_events"`
	CaughtUp   float64      `json:"caught_up_s"` // after the start
	Slowest    float64      `json:"slowest_checkpoint_s"`
	SlowestUp  float64      `json:"slowest_checkpoint_catching_up_s"`
	Failed     int          `json:"failed_checkpoints"`
	PerDay     float64      `json:"growth_bytes_per_day"` // of checkpoints, once as many windows come as go
	Events     int64        `json:"events"`
	Exact      bool         `json:"exact"` // the table holds each
	Checkpoint []checkpoint `json:"checkpoints"`
}

// checkpoint is one of the job's.
type checkpoint struct {
	At      float64 `json:"at_s"` // after the start
	Seconds float64 `json:"duration_s"`
	Bytes   int64   `json:"bytes"`
}

const (
	soakReaders = 2
	// A window's counts are kept until it takes no more clicks: 1 minute, 10 s of delay, 5 of allowed lateness.
	horizon = 7 * time.Minute
)

// measureSoak writes a backlog, has a job on Flink read it, and goes on at a rate.
func (b *bench) measureSoak(ctx context.Context, rest flink.REST, endpoint string, backlog int64, rate int, long time.Duration) (s soak, err error) {
	s = soak{Rate: rate, Seconds: long.Seconds(), Backlog: backlog, Events: backlog + int64(float64(rate)*long.Seconds())}
	t := topic{Name: "bench-soak-" + stamp(), Format: "json", Pages: 1_000, Events: backlog}
	if err := b.fill(ctx, t); err != nil {
		return s, err
	}
	dir, err := os.MkdirTemp("", "clickstream-bench-")
	if err != nil {
		return s, fmt.Errorf("make a folder for the table: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	begin := time.Now()
	run := exec.CommandContext(ctx, b.clickstream, b.run(t, dir, "--runner", "flink", "--endpoint", endpoint, "--flink-rest", string(rest),
		"--readers", strconv.Itoa(soakReaders), "--parallelism", strconv.Itoa(soakReaders))...)
	run.Cancel = func() error { return run.Process.Signal(syscall.SIGTERM) }
	run.Stderr = os.Stderr
	if err := run.Start(); err != nil {
		return s, fmt.Errorf("start the pipeline: %w", err)
	}
	defer abandon(run)
	generate := exec.CommandContext(ctx, b.clickstream, "generate", "--quiet", "--brokers", b.connection.Brokers[0], "--topic", t.Name,
		"--format", t.Format, "--rate", strconv.Itoa(rate), "--count", strconv.FormatInt(s.Events-backlog, 10))
	generate.Stderr = os.Stderr
	if err := generate.Start(); err != nil {
		return s, fmt.Errorf("start the generator: %w", err)
	}
	defer abandon(generate)
	if err := b.follow(ctx, rest, t.Name, dir, begin, &s); err != nil {
		return s, err
	}
	if err := end(generate, run); err != nil {
		return s, err
	}
	if s.CaughtUp == 0 {
		return s, errors.New("the job never caught up with the backlog: choose a smaller one by -backlog, or soak for longer")
	}
	s.sum()
	return s, nil
}

// follow takes note of checkpoints until the time is over and the table holds all.
func (b *bench) follow(ctx context.Context, rest flink.REST, topic, dir string, begin time.Time, s *soak) error {
	jobs, err := rest.Await(ctx, "clickstream-pageviews-", func(j flink.Job) bool { return j.Over() || j.Known() })
	if err != nil {
		return err
	}
	client, err := b.connection.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	known := map[int64]checkpoint{}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := begin.Add(time.Duration(s.Seconds*float64(time.Second)) + horizon)
	for n := 0; !s.Exact; n++ {
		if time.Now().After(last) {
			counted, err := total(ctx, dir)
			return errors.Join(err, fmt.Errorf("the table holds %d of %d events, %s after the last", counted, s.Events, horizon))
		}
		if s.CaughtUp == 0 {
			lags, err := kadm.NewClient(client).Lag(ctx, topic)
			if err != nil {
				return fmt.Errorf("ask for the lag: %w", err)
			}
			if lag := lags[topic]; lag.Error() == nil && lag.Lag.Total() < int64(60*s.Rate) && time.Since(begin) > 5*time.Second {
				s.CaughtUp = time.Since(begin).Seconds()
			}
		}
		if n%5 == 0 {
			if err := note(ctx, rest, jobs[len(jobs)-1].JID, begin, known, s); err != nil {
				return err
			}
			b.say("\rsoak: %s of %.0f s, %d checkpoints, the last %d KB", time.Since(begin).Round(time.Second), s.Seconds, len(s.Checkpoint), lastBytes(s)>>10)
		}
		if time.Since(begin).Seconds() > s.Seconds {
			counted, err := total(ctx, dir)
			if err != nil {
				return err
			}
			s.Exact = counted == s.Events
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	b.say("\n")
	return nil
}

// note adds the job's checkpoints to those that are known: Flink remembers the last ten.
func note(ctx context.Context, rest flink.REST, jid string, begin time.Time, known map[int64]checkpoint, s *soak) error {
	checkpoints, failed, err := rest.Checkpoints(ctx, jid)
	if err != nil {
		return err
	}
	for _, c := range checkpoints {
		known[c.ID] = checkpoint{At: time.UnixMilli(c.Trigger).Sub(begin).Seconds(), Seconds: float64(c.Duration) / 1000, Bytes: c.Bytes}
	}
	s.Checkpoint, s.Failed = s.Checkpoint[:0], failed
	for _, id := range slices.Sorted(maps.Keys(known)) {
		s.Checkpoint = append(s.Checkpoint, known[id])
	}
	return nil
}

func lastBytes(s *soak) int64 {
	if len(s.Checkpoint) == 0 {
		return 0
	}
	return s.Checkpoint[len(s.Checkpoint)-1].Bytes
}

// sum finds the slowest checkpoints, and how fast their size grows: the slope of the line through those that came while
// clicks did, and as many windows were forgotten as began.
func (s *soak) sum() {
	var at, size []float64
	for _, c := range s.Checkpoint {
		if c.At < s.CaughtUp {
			s.SlowestUp = max(s.SlowestUp, c.Seconds)
			continue
		}
		s.Slowest = max(s.Slowest, c.Seconds)
		if c.At > s.CaughtUp+horizon.Seconds() && c.At < s.Seconds {
			at, size = append(at, c.At), append(size, float64(c.Bytes))
		}
	}
	if len(at) > 1 {
		_, slope := stat.LinearRegression(at, size, nil, false)
		s.PerDay = slope * (24 * time.Hour).Seconds()
	}
}

func reportSoak(w io.Writer, s soak) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(tw, "on Flink\t%.0f s at %d events/s, after a backlog of %d\t\n", s.Seconds, s.Rate, s.Backlog)
	_, _ = fmt.Fprintf(tw, "exact\t%t: %d events\t\n", s.Exact, s.Events)
	_, _ = fmt.Fprintf(tw, "checkpoints\t%d, and %d failed\t\n", len(s.Checkpoint), s.Failed)
	_, _ = fmt.Fprintf(tw, "catching up\t%.0f s, the slowest checkpoint %.2f s\t\n", s.CaughtUp, s.SlowestUp)
	_, _ = fmt.Fprintf(tw, "at the rate\tthe slowest checkpoint %.2f s\t\n", s.Slowest)
	_, _ = fmt.Fprintf(tw, "their size\t%d KB at the end, growing by %.1f MB a day\t\n", lastBytes(&s)>>10, s.PerDay/1e6)
	_ = tw.Flush()
}
