// Command conform runs golden inputs through every runner, and compares what each makes of them with what the oracle
// does: each case once as it is, and once killed in the middle. scripts/conform.sh starts what it needs.
//
// The cases are in testdata; golden says how to read them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"clickstream/io/kafka"
	"clickstream/io/registry"
)

// suite is what all cells share.
type suite struct {
	connection  kafka.Connection
	registry    string
	schemas     []int  // ids of schemas in the registry
	clickstream string // path of the binary, built with the tag crash
	dir         string // for what only the runs of this machine see
	tables      string // folder or URL that the workers see as well
	keep        bool
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "conform:", err)
		os.Exit(1)
	}
}

var errDiffers = errors.New("some cells differ from the oracle")

func run() error {
	var (
		brokers     = flag.String("brokers", "localhost:9092", "Kafka brokers")
		schemas     = flag.String("registry", "", "schema registry's URL")
		clickstream = flag.String("clickstream", "", "path of a clickstream binary that was built with -tags crash")
		runners     = flag.String("runners", "prism,flink,flink-process,flink-kafkaio,spark", "runners, separated by commas")
		cases       = flag.String("cases", "", "names of cases, separated by commas; all without it")
		markdown    = flag.String("markdown", "", "file for the table as Markdown")
		atOnce      = flag.Int("at-once", 3, "cells that are played at once")
		tables      = flag.String("tables", "", "folder or URL for the tables, which the workers see as well")
		keep        = flag.Bool("keep", false, "keep the topics and the tables")
		own         runner
	)
	flag.StringVar(&own.endpoint, "endpoint", "", "job service of your own cluster, host:port")
	flag.StringVar(&own.rest, "flink-rest", "", "Flink's own interface there, as http://localhost:8081")
	flag.StringVar(&own.environment, "environment", "", "where its workers are: loopback, external, process or docker")
	flag.StringVar(&own.config, "environment-config", "", "as run's")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	goldens, err := load(list(*cases))
	if err != nil {
		return err
	}
	on, err := runnersOf(list(*runners), own)
	if err != nil {
		return err
	}
	s := &suite{
		connection: kafka.Connection{Brokers: strings.Split(*brokers, ","), RetryTimeout: time.Minute}, registry: *schemas,
		clickstream: *clickstream, tables: *tables, keep: *keep,
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if !s.keep {
		defer func() { _ = os.RemoveAll(s.dir) }()
	}
	begin := time.Now()
	m := newMatrix(goldens, on)
	m.play(ctx, s, *atOnce, func(c *cell) {
		if c.err != nil {
			fmt.Fprintf(os.Stderr, "%s: FAIL: %s\n", c, oneLine(c.err))
		} else {
			fmt.Fprintf(os.Stderr, "%s: pass, %s\n", c, c.took.Round(100*time.Millisecond))
		}
	})
	if err := m.writeText(os.Stdout); err != nil {
		return err
	}
	fmt.Printf("\n%d cells, %d failed, in %s\n", len(m.cells), len(m.failed()), time.Since(begin).Round(time.Second))
	if *markdown != "" {
		if err := m.saveMarkdown(*markdown); err != nil {
			return err
		}
	}
	if len(m.failed()) > 0 {
		return errDiffers
	}
	return nil
}

// prepare makes the folders, and registers the schemas.
func (s *suite) prepare(ctx context.Context) error {
	var err error
	if s.clickstream, err = filepath.Abs(s.clickstream); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "clickstream-conform-"); err != nil {
		return err
	}
	if s.tables == "" {
		s.tables = s.dir
	}
	known, err := registry.New(registry.Settings{URL: s.registry})
	if err != nil {
		return err
	}
	defer known.Close()
	for i, text := range schemas {
		id, err := known.Register(ctx, fmt.Sprintf("clickstream-conform-%d-value", i+1), text)
		if err != nil {
			return err
		}
		s.schemas = append(s.schemas, id)
	}
	return nil
}

// removeTable removes a table of this machine; one elsewhere is left.
func (s *suite) removeTable(path string) error {
	if strings.Contains(path, "://") {
		return nil
	}
	return os.RemoveAll(path)
}

func (m *matrix) saveMarkdown(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(m.writeMarkdown(f), f.Close())
}
