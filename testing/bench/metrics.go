package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// cost is what it costs to be watched. Each run that serves metrics, and is scraped, is paired with one that does not.
type cost struct {
	Topic   topic   `json:"topic"`
	Off     float64 `json:"off_events_per_s"` // median
	On      float64 `json:"on_events_per_s"`  // median
	Ratio   float64 `json:"ratio"`            // on to off, median of the pairs
	CPU     float64 `json:"cpu_ratio"`        // processor time, on to off, median of the pairs
	Scrapes int     `json:"scrapes"`          // that were answered
}

// scrapeInterval is what passes between scrapes: far less than Prometheus is ever told.
const scrapeInterval = time.Second

// allMetrics measures what metrics cost, prints that, and writes it to a file if one is named.
func (b *bench) allMetrics(ctx context.Context, events int64, file string) error {
	t := topic{Name: "bench-metrics-" + stamp(), Format: "avro", Pages: 1_000, Events: events}
	if err := b.fill(ctx, t); err != nil {
		return err
	}
	w := cost{Topic: t}
	var offs, ons, ratios, cpus []float64
	for i := range b.runs + 1 {
		var off, on process
		for _, watch := range [][]bool{{false, true}, {true, false}}[i%2] {
			p, err := b.scraped(ctx, t, watch, &w.Scrapes)
			if err != nil {
				return err
			}
			if watch {
				on = p
			} else {
				off = p
			}
		}
		if i == 0 {
			continue // the warm-up
		}
		offs, ons = append(offs, float64(events)/off.wall.Seconds()), append(ons, float64(events)/on.wall.Seconds())
		ratios, cpus = append(ratios, off.wall.Seconds()/on.wall.Seconds()), append(cpus, on.cpu.Seconds()/off.cpu.Seconds())
		b.say("off %.2f M/s, on %.2f M/s, ratio %.3f, CPU %.3f\n", offs[i-1]/1e6, ons[i-1]/1e6, ratios[i-1], cpus[i-1])
	}
	w.Off, w.On, w.Ratio, w.CPU = median(offs), median(ons), median(ratios), median(cpus)
	_, _ = fmt.Fprintf(os.Stdout, "metrics: off %.2f M/s, on %.2f M/s, %.3f of the rate, %.3f of the processor time, %d scrapes\n", w.Off/1e6, w.On/1e6, w.Ratio, w.CPU, w.Scrapes)
	if err := write(file, w); err != nil {
		return err
	}
	return judge(os.Stdout, goal{what: "processor time of a run that is watched, to one that is not", got: w.CPU, want: 1.01})
}

// scraped runs the pipeline over the topic into a new table, and scrapes it meanwhile if it is to be watched.
func (b *bench) scraped(ctx context.Context, t topic, watch bool, scrapes *int) (p process, err error) {
	dir, err := os.MkdirTemp("", "clickstream-bench-")
	if err != nil {
		return p, fmt.Errorf("make a folder for the table: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	args := b.run(t, dir, "--until", "latest")
	if !watch {
		return timed(ctx, "", b.clickstream, args...)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return p, fmt.Errorf("find a free port: %w", err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return p, fmt.Errorf("find a free port: %w", err)
	}
	scraping, stop := context.WithCancel(ctx)
	done := make(chan int)
	go func() { done <- scrapeUntil(scraping, "http://"+address+"/metrics") }()
	p, err = timed(ctx, "", b.clickstream, append(args, "--metrics-listen", address)...)
	stop()
	*scrapes += <-done
	return p, err
}

// scrapeUntil asks for metrics until ctx ends, and returns how often it got them.
func scrapeUntil(ctx context.Context, url string) (answered int) {
	tick := time.NewTicker(scrapeInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return answered
		case <-tick.C:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return answered
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue // it is beginning, or ending
		}
		if n, err := io.Copy(io.Discard, resp.Body); err == nil && n > 0 && resp.StatusCode == http.StatusOK {
			answered++
		}
		_ = resp.Body.Close() // all was read
	}
}
