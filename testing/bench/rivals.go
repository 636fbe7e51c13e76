package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"clickstream/io/flink"
)

// rival is one way to count a topic of JSON clicks: ours on a runner, or another engine's own job.
type rival struct {
	Name      string   `json:"name"`
	Rate      float64  `json:"events_per_s"`       // start-up included, median
	Warm      float64  `json:"events_per_s_warm"`  // less what a topic of next to nothing takes, median
	StartUp   float64  `json:"start_up_s"`         // what that takes, median
	ToOurs    float64  `json:"prism_to_this"`      // how often as fast ours on Prism is, median of the pairs
	ToOurWarm float64  `json:"prism_to_this_warm"` // the same, of the warm ones
	Memory    int64    `json:"peak_rss_bytes"`     // of the run, and of the runner's servers
	CPU       float64  `json:"cpu_s_per_million"`  // median
	Shuffled  *shuffle `json:"shuffled,omitempty"` // where the runner tells
	Processes int      `json:"runs"`

	ours    bool
	rest    flink.REST // of the runner that tells what is shuffled
	command func(t topic, dir string) (name string, args []string)
	servers string // folder with the pids of the processes that take part; empty: there are none but the command's
	counted func(ctx context.Context, dir string) (int64, error)
}

// shuffle is what crosses the shuffle, for each million events.
type shuffle struct {
	Elements float64 `json:"elements_per_million"`
	Bytes    float64 `json:"bytes_per_million"`
}

// rivals returns those that the environment has what is needed for: scripts/bench.sh sees to it. The first is ours
// on Prism, which the others are held against.
func (b *bench) rivals() []*rival {
	ours := func(name, servers string, more ...string) *rival {
		return &rival{Name: "clickstream on " + name, ours: true, servers: servers, counted: total, command: func(t topic, dir string) (string, []string) {
			return b.clickstream, b.run(t, dir, append([]string{"--until", "latest"}, more...)...)
		}}
	}
	all := []*rival{ours("Prism", "")}
	servers := os.Getenv("CLICKSTREAM_TEST_RUNNERS")
	if endpoint := os.Getenv("CLICKSTREAM_TEST_FLINK"); endpoint != "" {
		rest := os.Getenv("CLICKSTREAM_TEST_FLINK_REST")
		r := ours("Flink", servers, "--runner", "flink", "--endpoint", endpoint, "--flink-rest", rest, "--readers", "2", "--parallelism", "2")
		r.rest = flink.REST(rest)
		all = append(all, r)
	}
	if spark := os.Getenv("CLICKSTREAM_TEST_SPARK"); spark != "" {
		all = append(all, ours("Spark", servers, "--runner", "spark", "--endpoint", spark, "--readers", "2"))
	}
	for _, peer := range []struct{ name, source string }{{"Spark Structured Streaming", "SparkPeer"}, {"Flink SQL", "FlinkPeer"}} {
		path := os.Getenv("BENCH_" + strings.ToUpper(peer.source) + "_PATH")
		if path == "" {
			continue
		}
		all = append(all, &rival{Name: peer.name, command: func(t topic, dir string) (string, []string) {
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

// series is what was measured of a rival, turn by turn.
type series struct{ rates, warm, starts, cpus, ratios, warmRatios []float64 }

// measureRivals has all read a topic, and one with next to nothing in it, in turns, after one turn to warm up.
func (b *bench) measureRivals(ctx context.Context, t, few topic) ([]*rival, error) {
	all := b.rivals()
	measured := make([]series, len(all))
	for turn := range b.runs + 1 {
		var prism, prismWarm float64
		for i, r := range all {
			start, err := b.turn(ctx, few, r)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.Name, err)
			}
			p, err := b.turn(ctx, t, r)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.Name, err)
			}
			n := float64(t.Events)
			if p.wall <= start.wall {
				return nil, fmt.Errorf("%s: %d events take no longer than %d: measure more, by -events", r.Name, t.Events, few.Events)
			}
			rate, warm := n/p.wall.Seconds(), (n-float64(few.Events))/(p.wall-start.wall).Seconds()
			b.say("turn %d: %s: %.2f M/s, %.2f without %.1f s of start-up, %d MB, %.2f CPU s/M\n",
				turn, r.Name, rate/1e6, warm/1e6, start.wall.Seconds(), p.memory>>20, p.cpu.Seconds()/n*1e6)
			if i == 0 {
				prism, prismWarm = rate, warm
			}
			if turn == 0 {
				continue
			}
			m := &measured[i]
			m.rates, m.warm, m.starts = append(m.rates, rate), append(m.warm, warm), append(m.starts, start.wall.Seconds())
			m.cpus = append(m.cpus, p.cpu.Seconds()/n*1e6)
			m.ratios, m.warmRatios = append(m.ratios, prism/rate), append(m.warmRatios, prismWarm/warm)
			r.Memory, r.Processes = max(r.Memory, p.memory), b.runs
			if r.Shuffled, err = shuffled(ctx, r.rest, t.Events); err != nil {
				return nil, err
			}
		}
	}
	for i, r := range all {
		m := measured[i]
		r.Rate, r.Warm, r.StartUp, r.CPU = median(m.rates), median(m.warm), median(m.starts), median(m.cpus)
		r.ToOurs, r.ToOurWarm = median(m.ratios), median(m.warmRatios)
	}
	return all, nil
}

// shuffled asks Flink what its last job has sent to the step that merges counts.
func shuffled(ctx context.Context, rest flink.REST, events int64) (*shuffle, error) {
	if rest == "" {
		return nil, nil
	}
	jobs, err := rest.Jobs(ctx, "clickstream-pageviews-")
	if err != nil || len(jobs) == 0 {
		return nil, errors.Join(err, errors.New("Flink knows of no job of ours")) //nolint:staticcheck // Flink is a name
	}
	last := slices.MaxFunc(jobs, func(a, b flink.Job) int { return cmp.Compare(a.Start, b.Start) })
	var job struct {
		Vertices []struct {
			Name    string
			Metrics struct {
				Records int64 `json:"read-records"`
				Bytes   int64 `json:"read-bytes"`
			}
		}
	}
	if err := rest.Ask(ctx, http.MethodGet, "/jobs/"+last.JID, nil, &job); err != nil {
		return nil, err
	}
	for _, v := range job.Vertices {
		if strings.Contains(v.Name, "CombinePerKey") && strings.Contains(v.Name, "GBK") {
			million := float64(events) / 1e6
			return &shuffle{Elements: float64(v.Metrics.Records) / million, Bytes: float64(v.Metrics.Bytes) / million}, nil
		}
	}
	return nil, fmt.Errorf("Flink's job %s has no step that merges counts", last.JID) //nolint:staticcheck // Flink is a name
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
	name, args := r.command(t, dir)
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
	_, _ = fmt.Fprintln(tw, "JSON\tM/s\tof Prism's\tstart-up s\tM/s without\tof Prism's\tpeak MB\tCPU s/M\t")
	for _, r := range rivals {
		_, _ = fmt.Fprintf(tw, "%s\t%.2f\t%.2f\t%.1f\t%.2f\t%.2f\t%d\t%.2f\t\n",
			r.Name, r.Rate/1e6, 1/r.ToOurs, r.StartUp, r.Warm/1e6, 1/r.ToOurWarm, r.Memory>>20, r.CPU)
	}
	_ = tw.Flush()
	for _, r := range rivals {
		if s := r.Shuffled; s != nil {
			_, _ = fmt.Fprintf(w, "\n%s shuffles %.1f elements, %.0f bytes, for each million events\n", r.Name, s.Elements, s.Bytes)
		}
	}
}
