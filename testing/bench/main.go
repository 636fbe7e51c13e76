// Command bench measures the pipeline against a bare loop that fetches the same topic and does nothing with it.
// scripts/bench.sh starts what it needs.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"clickstream/io/flink"
	"clickstream/io/kafka"
)

type bench struct {
	connection  kafka.Connection
	registry    string
	clickstream string // path of the binary under test
	runs        int
	out         io.Writer
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.out, format, args...) }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var (
		brokers     = flag.String("brokers", "localhost:9092", "Kafka broker")
		registryURL = flag.String("registry", "", "schema registry's URL")
		clickstream = flag.String("clickstream", "", "path of the clickstream binary")
		events      = flag.Int64("events", 5_000_000, "events of each topic")
		runs        = flag.Int("runs", 3, "measured runs of each case; the median counts")
		long        = flag.Duration("steady", 3*time.Minute, "how long the steady rate is measured; 0: not")
		again       = flag.Int64("restart", restartEvents, "events that are read again by a restart; 0: not measured")
		result      = flag.String("json", "", "file for the figures")
		rivals      = flag.Bool("rivals", false, "measure, in place of all else, other runners and engines: those that the environment names")
		soaking     = flag.Duration("soak", 0, "measure, in place of all else, a job on the Flink that the environment names, for that long at a steady rate")
		backlog     = flag.Int64("backlog", 40_000_000, "events that the soaked job first catches up with")
		plots       = flag.String("plot", "", "draw the figures of -rivals or -soak, too: where, and how their names begin")
		bad         = flag.Bool("bad", false, "measure, in place of all else, topics with bad records in them")
		enriching   = flag.Bool("enrich", false, "measure, in place of all else, enrich beside a bare loop that copies the topic")
		replaying   = flag.Bool("replay", false, "measure, in place of all else, how dead letters are listed and put back: a hundred thousand, and a million")
		watching    = flag.Duration("monitor", 0, "measure, in place of all else, what the monitor takes, for that long")
		costing     = flag.Bool("metrics", false, "measure, in place of all else, what serving metrics costs a run")
		only        = flag.String("fetch", "", "fetch this topic to its end, print how many records that were, and exit")
		to          = flag.String("copy", "", "put what -fetch fetches into this topic")
	)
	flag.Parse()
	if *runs < 1 {
		return fmt.Errorf("-runs is %d: measure at least one", *runs)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{connection: kafka.Connection{Brokers: []string{*brokers}}, registry: *registryURL, clickstream: *clickstream, runs: *runs, out: os.Stderr}
	switch {
	case *only != "":
		n, err := bare(ctx, b.connection, *only, *to)
		fmt.Println(n)
		return err
	case *bad:
		return b.allBad(ctx, *events, *result)
	case *enriching:
		return b.allEnrich(ctx, *events, *result)
	case *replaying:
		return b.allReplay(ctx, *result)
	case *watching > 0:
		return b.allMonitor(ctx, *watching, *result)
	case *costing:
		return b.allMetrics(ctx, *events, *result)
	case *rivals:
		return b.allRivals(ctx, *events, *result, *plots)
	case *soaking > 0:
		return b.soak(ctx, *backlog, *soaking, *result, *plots)
	}
	return b.all(ctx, *events, *again, *long, *result)
}

// bare runs the bare loop over a topic, and returns how many records there are.
func bare(ctx context.Context, c kafka.Connection, from, to string) (int64, error) {
	if to != "" {
		return copyTopic(ctx, c, from, to)
	}
	return fetch(ctx, c, from, nil)
}

// stamp returns what tells the topics of one bench from those of others.
func stamp() string { return time.Now().UTC().Format("150405") }

// allRivals measures other runners and engines, prints that, writes it to a file if one is named, and draws it.
func (b *bench) allRivals(ctx context.Context, events int64, file, plots string) error {
	stamp := stamp()
	t := topic{Name: "bench-rivals-" + stamp, Format: "json", Pages: 1_000, Events: events}
	few := topic{Name: "bench-few-" + stamp, Format: "json", Pages: 1_000, Events: 1_000}
	for _, topic := range []topic{t, few} {
		if err := b.fill(ctx, topic); err != nil {
			return err
		}
	}
	measured, err := b.measureRivals(ctx, t, few)
	if err != nil {
		return err
	}
	reportRivals(os.Stdout, measured)
	if plots != "" {
		if err := plotRivals(measured, plots); err != nil {
			return err
		}
	}
	return write(file, measured)
}

// soak measures a job on Flink for long, prints that, writes it to a file if one is named, and draws it.
func (b *bench) soak(ctx context.Context, backlog int64, long time.Duration, file, plots string) error {
	endpoint, rest := os.Getenv("CLICKSTREAM_TEST_FLINK"), flink.REST(os.Getenv("CLICKSTREAM_TEST_FLINK_REST"))
	if endpoint == "" || rest == "" {
		return errors.New("nobody says where Flink is: run scripts/bench.sh --soak")
	}
	s, err := b.measureSoak(ctx, rest, endpoint, backlog, steadyRate, long)
	if err != nil {
		return err
	}
	reportSoak(os.Stdout, s)
	if plots != "" {
		if err := plotSoak(s, plots); err != nil {
			return err
		}
	}
	return write(file, s)
}

// results is all that is measured.
type results struct {
	Bounded  []figure  `json:"bounded"`
	Restarts []restart `json:"restarts,omitempty"`
	Steady   []steady  `json:"steady,omitempty"`
}

const steadyRate = 20_000 // events a second

// all measures everything, prints it, and writes it to a file if one is named.
func (b *bench) all(ctx context.Context, events, again int64, long time.Duration, file string) error {
	stamp := stamp()
	var r results
	for _, t := range []topic{
		{Name: "bench-avro-" + stamp, Format: "avro", Pages: 1_000, Events: events},
		{Name: "bench-json-" + stamp, Format: "json", Pages: 1_000, Events: events},
		{Name: "bench-avro-100k-" + stamp, Format: "avro", Pages: 100_000, Events: events},
	} {
		if err := b.fill(ctx, t); err != nil {
			return err
		}
		f, err := b.measure(ctx, t)
		if err != nil {
			return err
		}
		r.Bounded = append(r.Bounded, f)
	}
	for again > 0 && len(r.Restarts) < b.runs {
		s, err := b.measureRestart(ctx, fmt.Sprintf("bench-restart-%s-%d", stamp, len(r.Restarts)), again)
		if err != nil {
			return err
		}
		r.Restarts = append(r.Restarts, s)
	}
	if long > 0 {
		s, err := b.measureSteady(ctx, "bench-steady-"+stamp, steadyRate, long)
		if err != nil {
			return err
		}
		r.Steady = append(r.Steady, s)
	}
	report(os.Stdout, r)
	return write(file, r)
}

// write writes figures to a file, if one is named.
func write(file string, figures any) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil { //nolint:gosec // figures are no secret
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}
