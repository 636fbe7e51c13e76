package generate

import (
	"context"
	"time"

	"clickstream/io/kafka"
	"clickstream/io/registry"
	"clickstream/pipelines/schemas"
	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
)

// jitter is how far the clicks of a topic are out of order.
const jitter = 2 * time.Second

// Topic writes clicks into a topic as s tells, and returns how many, and how many of them are no clicks. Where
// they are Avro, their schema is registered first, as the topic's values'. tell, if it is not nil, is called
// now and then with the number so far.
func Topic(ctx context.Context, s *settings.Generate, tell func(n int64)) (written, bad int64, err error) {
	var schema int
	if s.Format == "avro" {
		if schema, err = register(ctx, s); err != nil {
			return 0, 0, err
		}
	}
	src, err := New(Settings{
		Format: s.Format, SchemaID: schema, Seed: s.Seed, Pages: s.Pages, Users: users, Zipf: s.Zipf,
		BadFraction: s.BadFraction, LateFraction: s.LateFraction, Jitter: jitter,
	})
	if err != nil {
		return 0, 0, err
	}
	connection := s.Kafka.Connection()
	if err := connection.Ping(ctx); err != nil {
		return 0, 0, err
	}
	w, err := kafka.OpenWriter(connection, s.Topic, 0)
	if err != nil {
		return 0, 0, err
	}
	defer w.Close()
	written, err = Run(ctx, w, src, Schedule{Count: s.Count, Rate: s.Rate, From: s.From.Time, Span: s.Span}, tell)
	_, bad = src.Made()
	return written, bad, err
}

// users is how many users click.
const users = 10_000

func register(ctx context.Context, s *settings.Generate) (int, error) {
	r, err := registry.New(registry.Settings{URL: s.Registry, RetryTimeout: s.Kafka.RetryTimeout})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return schemas.Ensure(ctx, r, s.Topic+"-value", schemas.Schema{Name: "the schema that generate writes with", Text: click.Schema})
}
