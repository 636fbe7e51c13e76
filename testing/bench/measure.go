package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"clickstream/io/table"
)

// figure is what was measured on one topic. Each run of the pipeline is paired with one of the bare loop right
// before it, and one that writes plain Parquet files right after it, so that the ratios hold when the machine's
// speed drifts.
type figure struct {
	Topic     topic   `json:"topic"`
	Fetch     float64 `json:"fetch_events_per_s"` // of the bare loop, median
	Run       float64 `json:"run_events_per_s"`   // of the pipeline, start-up included, median
	Ratio     float64 `json:"ratio"`              // run to fetch, median of the pairs
	ToParquet float64 `json:"ratio_to_parquet"`   // run to one that writes no log, median of the pairs
	FirstRow  float64 `json:"first_row_s"`        // from the start to the first file, median
	Memory    int64   `json:"peak_rss_bytes"`     // largest of the runs
	FetchRSS  int64   `json:"fetch_peak_rss_bytes"`
	CPU       float64 `json:"cpu_s_per_million"` // processor time of the pipeline, median
	Rejected  int64   `json:"rejected"`
	Exact     bool    `json:"exact"` // the table holds every event of the topic
	Processes int     `json:"runs"`
}

// measure runs the bare loop and the pipeline in turn.
func (b *bench) measure(ctx context.Context, t topic) (figure, error) {
	self, err := os.Executable()
	if err != nil {
		return figure{}, fmt.Errorf("find the bench's own binary: %w", err)
	}
	f := figure{Topic: t, Exact: true, Processes: b.runs}
	var fetches, runs, ratios, plain, firsts, cpus []float64
	for i := range b.runs + 1 {
		fetched, err := timed(ctx, "", self, "-brokers", b.connection.Brokers[0], "-fetch", t.Name)
		if err != nil {
			return f, err
		}
		ran, counted, err := b.once(ctx, t, table.Delta)
		if err != nil {
			return f, err
		}
		parquet, _, err := b.once(ctx, t, table.Parquet)
		if err != nil {
			return f, err
		}
		f.Exact = f.Exact && (counted == t.Events || t.Bad > 0)
		f.Rejected = t.Events - counted
		if i == 0 {
			continue // the warm-up, of the broker's page cache above all
		}
		n := float64(t.Events)
		fetches = append(fetches, n/fetched.wall.Seconds())
		runs = append(runs, n/ran.wall.Seconds())
		ratios = append(ratios, fetched.wall.Seconds()/ran.wall.Seconds())
		plain = append(plain, parquet.wall.Seconds()/ran.wall.Seconds())
		firsts = append(firsts, ran.first.Seconds())
		cpus = append(cpus, ran.cpu.Seconds()/n*1e6)
		f.Memory, f.FetchRSS = max(f.Memory, ran.memory), max(f.FetchRSS, fetched.memory)
		b.say("%s: fetch %.2f M/s, run %.2f M/s, ratio %.2f, %d MB; to Parquet files %.2f\n", t.Name, fetches[i-1]/1e6, runs[i-1]/1e6, ratios[i-1], ran.memory>>20, plain[i-1])
	}
	f.Fetch, f.Run, f.Ratio, f.ToParquet = median(fetches), median(runs), median(ratios), median(plain)
	f.FirstRow, f.CPU = median(firsts), median(cpus)
	return f, nil
}

// once runs the pipeline over the topic into a new table, and returns how many events that holds.
func (b *bench) once(ctx context.Context, t topic, tableFormat string) (p process, counted int64, err error) {
	dir, err := os.MkdirTemp("", "clickstream-bench-")
	if err != nil {
		return p, 0, fmt.Errorf("make a folder for the table: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if p, err = timed(ctx, dir, b.clickstream, append(b.run(t, dir), "--until", "latest", "--table-format", tableFormat)...); err != nil {
		return p, 0, err
	}
	counted, err = total(ctx, dir)
	return p, counted, err
}

// run returns the arguments of a run over the topic.
func (b *bench) run(t topic, dir string, args ...string) []string {
	return append([]string{
		"run", "--quiet", "--brokers", b.connection.Brokers[0], "--registry", b.registry, "--topic", t.Name, "--group", t.Name,
		"--format", t.Format, "--start", "earliest", "--dead-letter-topic", t.Name + "-dlq", "--table", dir,
	}, args...)
}

func median(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// process is what one process took.
type process struct {
	wall, cpu, first time.Duration
	memory           int64 // peak resident bytes
	said             string
}

// timed runs a command to its end. first is when a Parquet file was first seen below dir, if that is not empty.
func timed(ctx context.Context, dir, name string, args ...string) (process, error) {
	var out strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return process{}, fmt.Errorf("start %s: %w", name, err)
	}
	var p process
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			if dir != "" && p.first == 0 {
				if files, _ := filepath.Glob(filepath.Join(dir, "window_date=*", "*.parquet")); len(files) > 0 {
					p.first = time.Since(start)
				}
			}
			p.memory = max(p.memory, peak(cmd.Process.Pid))
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	err := cmd.Wait()
	p.wall = time.Since(start)
	close(done)
	<-watched
	if err != nil {
		return p, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	p.cpu, p.said = cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), out.String()
	return p, nil
}

// peak returns the most resident bytes that a process has had, as Linux tells while it runs; 0 once it has ended. What the
// system tells of an ended process is no less than its parent had as it started it, and this one fetches topics.
func peak(pid int) int64 { return statusBytes(pid, "VmHWM:") }

// statusBytes returns what the status of a process says of its memory under that name; 0 once it has ended.
func statusBytes(pid int, name string) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), name)
	line, _, _ := strings.Cut(rest, "kB")
	kilobytes, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		return 0 // it is ending
	}
	return kilobytes << 10
}

// total sums up the views of a table.
func total(ctx context.Context, dir string) (int64, error) {
	t, err := table.View(ctx, dir)
	if err != nil {
		return 0, err
	}
	var n int64
	for v, err := range t.Scan(ctx, table.Filter{}) {
		if err != nil {
			return 0, err
		}
		n += v.ViewCount
	}
	return n, nil
}

func report(w io.Writer, r results) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(tw, "format\tpages\tfetch M/s\trun M/s\trun/fetch\trun/Parquet\tfirst row s\tpeak MB\tCPU s/M\texact\t")
	for _, f := range r.Bounded {
		_, _ = fmt.Fprintf(tw, "%s\t%d\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%d\t%.2f\t%t\t\n",
			f.Topic.Format, f.Topic.Pages, f.Fetch/1e6, f.Run/1e6, f.Ratio, f.ToParquet, f.FirstRow, f.Memory>>20, f.CPU, f.Exact)
	}
	_ = tw.Flush()
	for _, s := range r.Restarts {
		_, _ = fmt.Fprintf(w, "\nrestart: the first new rows %.1f s after the start, with %d events read again; the bare loop fetches those in %.1f s\n", s.First, s.Again, s.Fetch)
	}
	for _, s := range r.Steady {
		_, _ = fmt.Fprintf(w, "\nat %d events/s for %.0f s: %.2f cores, %d MB at most; rows in the table %.1f s after their window's end and the watermark delay, at most, of %d windows\n",
			s.Rate, s.Seconds, s.CPU, s.Memory>>20, s.Behind, s.Windows)
	}
}
