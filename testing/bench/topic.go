package main

import (
	"cmp"
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

// users is how many users click in a topic.
const users = 50_000

// topic is a filled topic to measure with.
type topic struct {
	Name   string  `json:"name"`
	Format string  `json:"format"`
	Pages  int     `json:"pages"`
	Events int64   `json:"events"`
	Bad    float64 `json:"bad_fraction,omitempty"`
	Users  int     `json:"users,omitempty"` // 0: so many as users says
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
		Format: t.Format, SchemaID: id, Seed: 1, Pages: t.Pages, Users: cmp.Or(t.Users, users), Zipf: 1.1, BadFraction: t.Bad, Jitter: 3 * time.Second,
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

// fetch is the bare loop: it fetches the committed records of a topic to its end, does with each what each says, and
// returns how many they are.
func fetch(ctx context.Context, c kafka.Connection, name string, each func(*kgo.Record)) (int64, error) {
	client, err := c.Client()
	if err != nil {
		return 0, err
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, name)
	client.Close()
	if err != nil {
		return 0, fmt.Errorf("ends of topic %s: %w", name, err)
	}
	from := map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			from[o.Partition] = kgo.NewOffset().At(0)
		}
	})
	client, err = c.Client(kgo.FetchMaxPartitionBytes(4<<20), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return 0, err
	}
	defer client.Close()
	var got int64
	for len(from) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return got, fmt.Errorf("fetch topic %s: %w", name, err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, r := range p.Records {
				switch {
				case r.Attrs.IsControl():
					continue
				case each != nil:
					each(r)
				}
				got++
			}
			if n := len(p.Records); n > 0 && p.Records[n-1].Offset+1 >= ends[name][p.Partition].Offset {
				delete(from, p.Partition)
			}
		})
	}
	return got, nil
}
