package demo

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"clickstream/io/kafka"
	"clickstream/pipelines/generate"
)

const (
	history    = 5 * time.Minute // what is there when the demo begins
	minHistory = 30_000          // clicks of it: every partition has some
	maxHistory = 150_000         // a fraction of a second to write, on a machine that is not busy
	parts      = 20              // parts of it that are written one after the other
	leastPart  = 200             // clicks of a part
	jitter     = 2 * time.Second // how far clicks are out of order
	delay      = 3 * time.Second // of the watermark: above the jitter, so that no click is late but those that are meant to be
	bad        = 0.005           // fraction of records that are no clicks
	late       = 0.002           // fraction of clicks that come an hour late
)

// writing is how long the history may take to write, about. On a machine where it would take longer it has fewer
// clicks.
const writing = 2 * time.Second

// write writes the history at once, closes written, and then writes live clicks until ctx ends. Written before it is
// read, no click of the history can be late, however slow the machine is; and none of the live ones is, before the
// pipeline has a watermark to be late by.
func (d *demo) write(ctx context.Context, written chan<- struct{}) error {
	w, err := kafka.OpenWriter(d.cluster.connection(), rawTopic, 0)
	if err != nil {
		return err
	}
	defer w.Close()
	conf := generate.Settings{
		Format: "avro", SchemaID: d.cluster.schema, Seed: 1, Pages: 1000, Users: 10_000, Zipf: 1.1,
		BadFraction: bad, Jitter: jitter,
	}
	punctual, err := generate.New(conf)
	if err != nil {
		return err
	}
	conf.Seed, conf.LateFraction = 2, late
	tardy, err := generate.New(conf)
	if err != nil {
		return err
	}
	if err := d.writeHistory(ctx, w, punctual); err != nil {
		return err
	}
	close(written)
	live := generate.Schedule{Rate: d.settings.Rate}
	first, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		d.awaitWatermark(first)
		stop()
	}()
	if _, err := generate.Run(first, w, punctual, live, nil); err != nil {
		return err
	}
	return d.forgetting(ctx, func() error {
		_, err := generate.Run(ctx, w, tardy, live, nil)
		return err
	})
}

// writeHistory writes clicks of the time before the demo, in parts: they become smaller where they take too long. Their
// records are as new as they are: a pipeline that reads them at once is not minutes late.
func (d *demo) writeHistory(ctx context.Context, w *kafka.Writer, src *generate.Source) error {
	n := max(minHistory, min(maxHistory, d.settings.Rate*history.Seconds())) / parts
	const span, budget = history / parts, writing / parts
	for from := d.begin.Add(-history); from.Before(d.begin) && ctx.Err() == nil; from = from.Add(span) {
		began := time.Now()
		if _, err := generate.Run(ctx, w, src, generate.Schedule{Count: int64(n), From: from, Span: span, Now: true}, nil); err != nil {
			return err
		}
		if took := time.Since(began); took > budget {
			n = max(leastPart, n*budget.Seconds()/took.Seconds())
		}
	}
	return nil
}

// awaitWatermark returns when the pipeline has a watermark, or ctx has ended.
func (d *demo) awaitWatermark(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for d.plan.Progress().Watermark.IsZero() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// forgetting runs f while the broker drops what is old, once a minute.
func (d *demo) forgetting(ctx context.Context, f func() error) error {
	client, err := d.cluster.connection().Client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		tick := time.NewTicker(time.Minute)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				logIfFailed(ctx, d.cluster.forget(ctx, kadm.NewClient(client)))
			}
		}
	}()
	return f()
}
