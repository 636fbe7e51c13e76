package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"text/tabwriter"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
)

// forwarded is how enrich fares. Each run is paired with one of a bare loop right before it, which fetches the same topic,
// and produces what it gets to another one.
type forwarded struct {
	Topic    topic   `json:"topic"`
	Sessions bool    `json:"sessions"`
	Copy     float64 `json:"copy_events_per_s"` // of the bare loop, median
	Run      float64 `json:"run_events_per_s"`  // start-up included, median
	Ratio    float64 `json:"ratio"`             // run to copy, median of the pairs
	Memory   int64   `json:"peak_rss_bytes"`    // largest of the runs
	CPU      float64 `json:"cpu_s_per_million"`
	Runs     int     `json:"runs"`

	copies, rates, ratios, cpus []float64
}

// allEnrich measures enrich with sessions and without, and with those of one user who has all the clicks, prints that, and writes it to a file if one is named.
func (b *bench) allEnrich(ctx context.Context, events int64, file string) (err error) {
	t := topic{Name: "bench-enrich-" + stamp(), Format: "avro", Pages: 1_000, Events: events}
	one := t
	one.Name, one.Users = t.Name+"-one", 1
	defer func() {
		err = errors.Join(err, b.remove(context.WithoutCancel(ctx), t.Name, t.Name+"-dlq", one.Name, one.Name+"-dlq"))
	}()
	for _, t := range []topic{t, one} {
		if err := b.fill(ctx, t); err != nil {
			return err
		}
	}
	cases := []*forwarded{{Topic: t, Runs: b.runs}, {Topic: t, Sessions: true, Runs: b.runs}, {Topic: one, Sessions: true, Runs: b.runs}}
	for turn := range b.runs + 1 {
		for _, c := range cases {
			if err := b.measureEnrich(ctx, c, turn); err != nil {
				return err
			}
		}
	}
	for _, c := range cases {
		c.Copy, c.Run, c.Ratio, c.CPU = median(c.copies), median(c.rates), median(c.ratios), median(c.cpus)
	}
	reportEnrich(os.Stdout, cases)
	return errors.Join(write(file, cases), judge(os.Stdout, enrichGoals(cases)...))
}

// enrichGoals are what enrich is to reach beside the bare loop.
func enrichGoals(cases []*forwarded) (goals []goal) {
	for _, c := range cases {
		switch {
		case c.Topic.Users == 1: // nothing was promised
		case c.Sessions:
			goals = append(goals, goal{"enrich to copy, with sessions", c.Ratio, 0.15, true})
		default:
			goals = append(goals, goal{"enrich to copy", c.Ratio, 0.5, true})
		}
	}
	return goals
}

// measureEnrich runs the bare loop, and enrich. The first turn is the warm-up.
func (b *bench) measureEnrich(ctx context.Context, c *forwarded, turn int) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the bench's own binary: %w", err)
	}
	copied, err := b.filled(ctx, c.Topic.Events, fmt.Sprintf("%s-copy-%t-%d", c.Topic.Name, c.Sessions, turn), func(to string) (process, error) {
		return timed(ctx, "", self, "-brokers", b.connection.Brokers[0], "-fetch", c.Topic.Name, "-copy", to)
	})
	if err != nil {
		return err
	}
	ran, err := b.filled(ctx, c.Topic.Events, fmt.Sprintf("%s-enriched-%t-%d", c.Topic.Name, c.Sessions, turn), func(to string) (process, error) {
		return timed(ctx, "", b.clickstream, "enrich", "--quiet", "--brokers", b.connection.Brokers[0], "--registry", b.registry, "--topic", c.Topic.Name,
			"--enriched-topic", to, "--dead-letter-topic", c.Topic.Name+"-dlq", "--group", to, "--start", "earliest", "--until", "latest", fmt.Sprintf("--sessions=%t", c.Sessions))
	})
	if err != nil || turn == 0 {
		return err
	}
	n := float64(c.Topic.Events)
	ratio := copied.wall.Seconds() / ran.wall.Seconds()
	c.copies, c.rates, c.ratios = append(c.copies, n/copied.wall.Seconds()), append(c.rates, n/ran.wall.Seconds()), append(c.ratios, ratio)
	c.cpus = append(c.cpus, ran.cpu.Seconds()/n*1e6)
	c.Memory = max(c.Memory, ran.memory)
	b.say("%s, sessions %t: copy %.2f M/s, enrich %.2f M/s, ratio %.2f, %d MB\n", c.Topic.Name, c.Sessions, n/copied.wall.Seconds()/1e6, n/ran.wall.Seconds()/1e6, ratio, ran.memory>>20)
	return nil
}

// filled lets something fill a new topic, and fails unless it then holds so many records. The topic is removed.
func (b *bench) filled(ctx context.Context, want int64, name string, fill func(name string) (process, error)) (p process, err error) {
	if err := b.make(ctx, name); err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, b.remove(context.WithoutCancel(ctx), name)) }()
	if p, err = fill(name); err != nil {
		return p, err
	}
	got, err := fetch(ctx, b.connection, name, nil)
	if err == nil && got != want {
		err = fmt.Errorf("topic %s holds %d records, not %d", name, got, want)
	}
	return p, err
}

// copyTopic is the bare loop that fetches a topic to its end, and produces each record's bytes to another one.
func copyTopic(ctx context.Context, c kafka.Connection, from, to string) (int64, error) {
	client, err := c.Client(kgo.DefaultProduceTopic(to), kgo.ProducerBatchCompression(kafka.Compression()))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	var failed error
	var once sync.Once
	landed := func(_ *kgo.Record, err error) {
		if err != nil {
			once.Do(func() { failed = err })
		}
	}
	n, err := fetch(ctx, c, from, func(r *kgo.Record) {
		client.Produce(ctx, &kgo.Record{Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}, landed)
	})
	if err == nil {
		err = client.Flush(ctx)
	}
	return n, errors.Join(err, failed)
}

func reportEnrich(w io.Writer, all []*forwarded) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(tw, "users\tsessions\tcopy M/s\tenrich M/s\tratio\tpeak MB\tCPU s/M\t")
	for _, c := range all {
		_, _ = fmt.Fprintf(tw, "%d\t%t\t%.2f\t%.2f\t%.2f\t%d\t%.2f\t\n", cmp.Or(c.Topic.Users, users), c.Sessions, c.Copy/1e6, c.Run/1e6, c.Ratio, c.Memory>>20, c.CPU)
	}
	_ = tw.Flush()
}
