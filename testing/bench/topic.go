package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/io/registry"
	"clickstream/pipelines/generate"
	"clickstream/transforms/click"
)

// topic is a filled topic to measure with.
type topic struct {
	Name   string  `json:"name"`
	Format string  `json:"format"`
	Pages  int     `json:"pages"`
	Events int64   `json:"events"`
	Bad    float64 `json:"bad_fraction,omitempty"`
}

const (
	partitions = 12
	history    = 10 * time.Minute // of event time, whatever the number of events
)

// make makes a topic.
func (b *bench) make(ctx context.Context, name string) error {
	client, err := b.connection.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	zstd := "zstd"
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, map[string]*string{"compression.type": &zstd}, name); err != nil {
		return fmt.Errorf("make topic %s: %w", name, err)
	}
	return nil
}

// fill makes the topic, and fills it with clicks of the last minutes.
func (b *bench) fill(ctx context.Context, t topic) error {
	if err := b.make(ctx, t.Name); err != nil {
		return err
	}
	return b.write(ctx, t, time.Now().Add(-history), history)
}

// write puts the topic's clicks into it, spread over some time.
func (b *bench) write(ctx context.Context, t topic, from time.Time, span time.Duration) error {
	schemas, err := registry.New(registry.Settings{URL: b.registry})
	if err != nil {
		return err
	}
	id, err := schemas.Register(ctx, t.Name+"-value", click.Schema)
	if err != nil {
		return err
	}
	src, err := generate.New(generate.Settings{
		Format: t.Format, SchemaID: id, Seed: 1, Pages: t.Pages, Users: 50_000, Zipf: 1.1, BadFraction: t.Bad, Jitter: 3 * time.Second,
	})
	if err != nil {
		return err
	}
	w, err := kafka.OpenWriter(b.connection, t.Name, 0)
	if err != nil {
		return err
	}
	defer w.Close()
	_, err = generate.Run(ctx, w, src, generate.Schedule{Count: t.Events, From: from, Span: span}, func(n int64) {
		b.say("\rfilling %s: %d of %d", t.Name, n, t.Events)
	})
	b.say("\n")
	return err
}

// fetch is the bare loop: it fetches the topic to its end, and does nothing with it.
func fetch(ctx context.Context, c kafka.Connection, name string) (int64, error) {
	client, err := c.Client()
	if err != nil {
		return 0, err
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, name)
	client.Close()
	if err != nil {
		return 0, fmt.Errorf("ends of topic %s: %w", name, err)
	}
	var want, got int64
	from := map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		want += o.Offset
		from[o.Partition] = kgo.NewOffset().At(0)
	})
	client, err = c.Client(kgo.FetchMaxPartitionBytes(4<<20), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: from}))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	for got < want {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return got, fmt.Errorf("fetch topic %s: %w", name, err)
		}
		got += int64(fetches.NumRecords())
	}
	return got, nil
}
