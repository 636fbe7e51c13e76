package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// rival is one way to count a topic of JSON clicks: ours on a runner, or another engine's own job.
type rival struct {
	Name      string  `json:"name"`
	Rate      float64 `json:"events_per_s"` // start-up included, median
	Memory    int64   `json:"peak_rss_bytes"`
	CPU       float64 `json:"cpu_s_per_million"` // median
	ToOurs    float64 `json:"prism_to_this"`     // how often as fast ours on Prism is, median of the pairs
	Processes int     `json:"runs"`

	command func(dir string) (name string, args []string)
	servers string // folder with the pids of the processes that take part; empty: there are none but the command's
	counted func(ctx context.Context, dir string) (int64, error)
}

// rivals returns those that the environment has what is needed for: scripts/bench.sh sees to it. The first is ours
// on Prism, which the others are held against.
func (b *bench) rivals(t topic) []*rival {
	ours := func(name, servers string, more ...string) *rival {
		return &rival{Name: "clickstream on " + name, servers: servers, counted: total, command: func(dir string) (string, []string) {
			return b.clickstream, b.run(t, dir, append([]string{"--until", "latest"}, more...)...)
		}}
	}
	all := []*rival{ours("Prism", "")}
	servers := os.Getenv("CLICKSTREAM_TEST_RUNNERS")
	if flink := os.Getenv("CLICKSTREAM_TEST_FLINK"); flink != "" {
		all = append(all, ours("Flink", servers, "--runner", "flink", "--endpoint", flink, "--readers", "2", "--parallelism", "2"))
	}
	if spark := os.Getenv("CLICKSTREAM_TEST_SPARK"); spark != "" {
		all = append(all, ours("Spark", servers, "--runner", "spark", "--endpoint", spark, "--readers", "2"))
	}
	for _, peer := range []struct{ name, source string }{{"Spark Structured Streaming", "SparkPeer"}, {"Flink SQL", "FlinkPeer"}} {
		path := os.Getenv("BENCH_" + strings.ToUpper(peer.source) + "_PATH")
		if path == "" {
			continue
		}
		all = append(all, &rival{Name: peer.name, command: func(dir string) (string, []string) {
			return "java", append(javaOptions(), "-cp", path, filepath.Join(os.Getenv("BENCH_PEERS"), peer.source+".java"),
				b.connection.Brokers[0], t.Name, dir)
		}})
	}
	return all
}

// javaOptions are those of the peers: memory that neither runs short of, and Java's own packages, which both look into.
func javaOptions() []string {
	options := []string{"-Xmx3g"}
	for _, p := range strings.Fields("java.io java.lang java.lang.invoke java.lang.reflect java.net java.nio java.util java.util.concurrent " +
		"java.util.concurrent.atomic sun.nio.ch sun.nio.cs sun.security.action sun.util.calendar") {
		options = append(options, "--add-opens=java.base/"+p+"=ALL-UNNAMED")
	}
	return options
}

// measureRivals runs all in turns, after one turn to warm up.
func (b *bench) measureRivals(ctx context.Context, t topic) ([]*rival, error) {
	all := b.rivals(t)
	rates, cpus, ratios := make([][]float64, len(all)), make([][]float64, len(all)), make([][]float64, len(all))
	for turn := range b.runs + 1 {
		var prism float64
		for i, r := range all {
			p, err := b.turn(ctx, t, r)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.Name, err)
			}
			rate := float64(t.Events) / p.wall.Seconds()
			b.say("turn %d: %s: %.2f M/s, %d MB, %.2f CPU s/M\n", turn, r.Name, rate/1e6, p.memory>>20, p.cpu.Seconds()/float64(t.Events)*1e6)
			if i == 0 {
				prism = rate
			}
			if turn == 0 {
				continue
			}
			rates[i] = append(rates[i], rate)
			cpus[i] = append(cpus[i], p.cpu.Seconds()/float64(t.Events)*1e6)
			ratios[i] = append(ratios[i], prism/rate)
			r.Memory, r.Processes = max(r.Memory, p.memory), b.runs
		}
	}
	for i, r := range all {
		r.Rate, r.CPU, r.ToOurs = median(rates[i]), median(cpus[i]), median(ratios[i])
	}
	return all, nil
}

// turn runs a rival once, and sees that it counted all there is, where that can be seen.
func (b *bench) turn(ctx context.Context, t topic, r *rival) (p process, err error) {
	dir, err := os.MkdirTemp("", "clickstream-bench-")
	if err != nil {
		return p, fmt.Errorf("make a folder for the table: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	before, _, err := serversOf(r.servers)
	if err != nil {
		return p, err
	}
	name, args := r.command(dir)
	if p, err = timed(ctx, "", name, args...); err != nil {
		return p, err
	}
	after, memory, err := serversOf(r.servers)
	if err != nil {
		return p, err
	}
	p.cpu += time.Duration((after - before) * float64(time.Second))
	p.memory += memory
	if r.counted == nil {
		return p, nil
	}
	if n, err := r.counted(ctx, dir); err != nil || n != t.Events {
		return p, errors.Join(err, fmt.Errorf("it counted %d of %d events", n, t.Events))
	}
	return p, nil
}

// serversOf returns the processor seconds and the resident bytes of the processes whose pids lie in a folder.
func serversOf(folder string) (cpu float64, rss int64, err error) {
	if folder == "" {
		return 0, 0, nil
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.pid"))
	if err != nil {
		return 0, 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, 0, fmt.Errorf("look for the runner's processes: %w", err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return 0, 0, fmt.Errorf("look for the runner's processes: %s: %w", file, err)
		}
		c, m, err := usage(pid)
		if err != nil {
			return 0, 0, err
		}
		cpu += c
		rss += m
	}
	return cpu, rss, nil
}

func reportRivals(w io.Writer, rivals []*rival) {
	if len(rivals) == 0 {
		return
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(tw, "JSON\tM/s\tours on Prism is faster\tpeak MB\tCPU s/M\t")
	for _, r := range rivals {
		_, _ = fmt.Fprintf(tw, "%s\t%.2f\t%.2f times\t%d\t%.2f\t\n", r.Name, r.Rate/1e6, r.ToOurs, r.Memory>>20, r.CPU)
	}
	_ = tw.Flush()
}
