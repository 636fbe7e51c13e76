// Command bench measures the pipeline against a bare loop that fetches the same topic and does nothing with it.
// scripts/bench.sh starts what it needs.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

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
		result      = flag.String("json", "", "file for the figures")
		only        = flag.String("fetch", "", "fetch this topic to its end, print how long that took, and exit")
	)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{connection: kafka.Connection{Brokers: []string{*brokers}}, registry: *registryURL, clickstream: *clickstream, runs: *runs, out: os.Stderr}
	if *only != "" {
		n, err := fetch(ctx, b.connection, *only)
		fmt.Println(n)
		return err
	}
	stamp := time.Now().UTC().Format("150405")
	topics := []topic{
		{Name: "bench-avro-" + stamp, Format: "avro", Pages: 1_000, Events: *events},
		{Name: "bench-json-" + stamp, Format: "json", Pages: 1_000, Events: *events},
		{Name: "bench-avro-100k-" + stamp, Format: "avro", Pages: 100_000, Events: *events},
	}
	var figures []figure
	for _, t := range topics {
		if err := b.fill(ctx, t); err != nil {
			return err
		}
		f, err := b.measure(ctx, t)
		if err != nil {
			return err
		}
		figures = append(figures, f)
	}
	report(os.Stdout, figures)
	if *result == "" {
		return nil
	}
	text, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.WriteFile(*result, append(text, '\n'), 0o644); err != nil { //nolint:gosec // figures are no secret
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}
