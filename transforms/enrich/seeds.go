package enrich

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/transforms/sessions"
)

// seeds are the sessions that were found before a pipeline, by bucket. Each process that needs them reads them once.
type seeds struct {
	once  sync.Once
	books []*sessions.Book
	err   error
}

var allSeeds sync.Map // pipeline → *seeds

// seed returns the sessions of a bucket's users that were found before this run.
func (c Config) seed(ctx context.Context, bucket int) (*sessions.Book, error) {
	kept, _ := allSeeds.LoadOrStore(c.Pipeline, &seeds{})
	s := kept.(*seeds)
	s.once.Do(func() { s.books, s.err = c.readSeeds(ctx) })
	if s.err != nil {
		return nil, fmt.Errorf("look up the sessions that were found before: %w", s.err)
	}
	return s.books[bucket], nil
}

// readSeeds reads the end of the enriched topic.
func (c Config) readSeeds(ctx context.Context) ([]*sessions.Book, error) {
	books := make([]*sessions.Book, c.Buckets)
	for i := range books {
		books[i] = sessions.NewBook(c.Gap)
	}
	if len(c.Seeds.Partitions) == 0 {
		return books, nil
	}
	schema, err := avro.Parse(Schema)
	if err != nil {
		return nil, fmt.Errorf("the enriched topic's schema: %w", err)
	}
	begin, clicks := time.Now(), 0
	err = kafka.ReadExtent(ctx, kafka.ReaderSettings{Connection: c.Connection, AllowDataLoss: true}, c.Seeds, func(r *kgo.Record) error {
		var e event
		if len(r.Value) < 5 || r.Value[0] != 0 || binary.BigEndian.Uint32(r.Value[1:]) != uint32(c.Schema) { //nolint:gosec // see decode.Avro
			return nil // a tombstone, or of another program
		}
		if _, err := schema.Decode(r.Value[5:], &e); err != nil || e.SourceTopic != c.Source || !e.SessionFound || e.SessionID == nil {
			return nil //nolint:nilerr // what cannot be read was not written by us
		}
		if id, err := uuid.Parse(*e.SessionID); err == nil {
			books[c.bucket(e.UserID)].Note(e.UserID, e.Timestamp, id)
			clicks++
		}
		return nil
	})
	slog.Info("took up the sessions that were found before", "clicks", clicks, "seconds", int(time.Since(begin).Seconds()))
	return books, err
}
