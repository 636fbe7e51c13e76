package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"clickstream/pipelines/audit"
)

// spoiled is how the pipeline fares where some records are no clicks. Each run is paired with one over a topic of as
// many records that are all clicks, right before it.
type spoiled struct {
	Topic   topic   `json:"topic"`
	Run     float64 `json:"run_events_per_s"` // start-up included, median
	ToClean float64 `json:"ratio_to_clean"`   // of the rates, median of the pairs
	Letters int64   `json:"dead_letters"`     // of one run
	Counted int64   `json:"counted"`          // of one run
	Memory  int64   `json:"peak_rss_bytes"`   // largest of the runs
	CPU     float64 `json:"cpu_s_per_million"`
	Clean   bool    `json:"verified"` // table verify accounted for every record, after each run
	Runs    int     `json:"runs"`

	rates, ratios, cpus []float64
}

// fractions are those of bad records that are measured.
var fractions = []float64{0, 0.01, 0.5, 1}

// allBad measures topics with bad records, prints that, and writes it to a file if one is named.
func (b *bench) allBad(ctx context.Context, events int64, file string) error {
	stamp := stamp()
	var all []*spoiled
	for _, format := range []string{"avro", "json"} {
		cases, err := b.badOf(ctx, format, stamp, events)
		if err != nil {
			return err
		}
		all = append(all, cases...)
	}
	reportBad(os.Stdout, all)
	return errors.Join(write(file, all), judge(os.Stdout, badGoals(all)...))
}

// badGoals are that each table is verified, and that one bad record in a hundred costs a tenth of the rate at most.
func badGoals(all []*spoiled) (goals []goal) {
	for _, c := range all {
		verified := 0.0
		if c.Clean {
			verified = 1
		}
		goals = append(goals, goal{fmt.Sprintf("%s, %.0f%% bad: verified", c.Topic.Format, 100*c.Topic.Bad), verified, 1, true})
		if c.Topic.Bad == 0.01 {
			goals = append(goals, goal{fmt.Sprintf("%s, 1%% bad to clean", c.Topic.Format), c.ToClean, 0.9, true})
		}
	}
	return goals
}

// badOf measures topics of one format, and removes them: the next ones want their room.
func (b *bench) badOf(ctx context.Context, format, stamp string, events int64) (cases []*spoiled, err error) {
	var names []string
	defer func() { err = errors.Join(err, b.remove(context.WithoutCancel(ctx), names...)) }()
	for i, fraction := range fractions {
		t := topic{Name: fmt.Sprintf("bench-bad-%s-%d-%s", format, i, stamp), Format: format, Pages: 1_000, Events: events, Bad: fraction}
		names = append(names, t.Name)
		if err := b.fill(ctx, t); err != nil {
			return nil, err
		}
		cases = append(cases, &spoiled{Topic: t, Clean: true, Runs: b.runs})
	}
	return cases, b.measureBad(ctx, cases)
}

// measureBad runs the pipeline over each topic, before each over the first, which is clean. The first turn is the
// warm-up.
func (b *bench) measureBad(ctx context.Context, cases []*spoiled) error {
	for turn := range b.runs + 1 {
		var clean *process
		for _, c := range cases {
			if c.Topic.Bad > 0 {
				var err error
				if clean, err = b.audited(ctx, cases[0]); err != nil {
					return err
				}
			}
			ran, err := b.audited(ctx, c)
			if err != nil {
				return err
			}
			if turn == 0 {
				continue
			}
			n := float64(c.Topic.Events)
			ratio := 1.0
			if clean != nil {
				ratio = clean.wall.Seconds() / ran.wall.Seconds()
				cases[0].add(clean)
			}
			c.add(ran)
			c.ratios = append(c.ratios, ratio)
			b.say("%s: %.0f%% bad, run %.2f M/s, %.2f of clean, %d MB, %d dead letters\n", c.Topic.Name, 100*c.Topic.Bad, n/ran.wall.Seconds()/1e6, ratio, ran.memory>>20, c.Letters)
		}
	}
	for _, c := range cases {
		c.Run, c.ToClean, c.CPU = median(c.rates), median(c.ratios), median(c.cpus)
	}
	return nil
}

// add takes note of a run.
func (s *spoiled) add(p *process) {
	n := float64(s.Topic.Events)
	s.rates, s.cpus = append(s.rates, n/p.wall.Seconds()), append(s.cpus, p.cpu.Seconds()/n*1e6)
}

// audited runs the pipeline over a topic into a new table and a new dead letter topic, and audits them.
func (b *bench) audited(ctx context.Context, c *spoiled) (p *process, err error) {
	dir, err := os.MkdirTemp("", "clickstream-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the table: %w", err)
	}
	letters := fmt.Sprintf("%s-dlq-%d", c.Topic.Name, time.Now().UnixNano())
	defer func() { err = errors.Join(err, os.RemoveAll(dir), b.remove(context.WithoutCancel(ctx), letters)) }()
	ran, err := timed(ctx, "", b.clickstream, append(b.run(c.Topic, dir), "--dead-letter-topic", letters, "--until", "latest")...)
	if err != nil {
		return nil, err
	}
	report, err := b.verify(ctx, c.Topic, dir, letters)
	if err != nil {
		return nil, err
	}
	c.Letters, c.Counted = 0, report.Offsets.Counted
	for _, n := range report.Offsets.Rejected {
		c.Letters += n
	}
	c.Clean = c.Clean && report.Clean
	c.Memory = max(c.Memory, ran.memory)
	if c.Letters+c.Counted != c.Topic.Events {
		return nil, fmt.Errorf("%s: %d counted and %d rejected of %d records", c.Topic.Name, c.Counted, c.Letters, c.Topic.Events)
	}
	return &ran, nil
}

// verify audits a table by the binary under test, which fails where it is not clean.
func (b *bench) verify(ctx context.Context, t topic, dir, letters string) (audit.Report, error) {
	var r audit.Report
	var said strings.Builder
	cmd := exec.CommandContext(ctx, b.clickstream, "table", "verify", "--quiet", "--output", "json", "--brokers", b.connection.Brokers[0],
		"--registry", b.registry, "--topic", t.Name, "--format", t.Format, "--table", dir, "--dead-letter-topic", letters)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("verify the table of %s: %w: %s%s", t.Name, err, strings.TrimSpace(said.String()), out)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("verify the table of %s: %w", t.Name, err)
	}
	return r, nil
}

// remove deletes topics, as far as they are there.
func (b *bench) remove(ctx context.Context, names ...string) error {
	client, err := b.connection.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	removed, err := kadm.NewClient(client).DeleteTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("remove topics %v: %w", names, err)
	}
	for _, r := range removed {
		if r.Err != nil && !errors.Is(r.Err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("remove topic %s: %w", r.Topic, r.Err)
		}
	}
	return nil
}

func reportBad(w io.Writer, all []*spoiled) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(tw, "format\tbad\trun M/s\tof clean\tdead letters\tcounted\tpeak MB\tCPU s/M\tverified\t")
	for _, c := range all {
		_, _ = fmt.Fprintf(tw, "%s\t%.0f%%\t%.2f\t%.2f\t%d\t%d\t%d\t%.2f\t%t\t\n",
			c.Topic.Format, 100*c.Topic.Bad, c.Run/1e6, c.ToClean, c.Letters, c.Counted, c.Memory>>20, c.CPU, c.Clean)
	}
	_ = tw.Flush()
}
