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
	"clickstream/transforms/teardown"
)

// seeds are the sessions that were found before a pipeline. Each process that needs them reads them once, and hands out
// copies: a bundle that is tried again begins with what the first attempt began with.
type seeds struct {
	mu    sync.Mutex
	books [][]byte // encoded, by bucket; nil until they are read
}

var allSeeds sync.Map // pipeline → *seeds

// seed returns the sessions of a bucket's users that were found before this run.
func (c Config) seed(ctx context.Context, bucket int) (*sessions.Book, error) {
	kept, _ := allSeeds.LoadOrStore(c.Pipeline, &seeds{})
	s := kept.(*seeds)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.books == nil {
		books, err := c.readSeeds(ctx)
		if err != nil {
			return nil, fmt.Errorf("look up the sessions that were found before: %w", err)
		}
		for _, b := range books {
			s.books = append(s.books, b.Encode())
		}
		if err := teardown.Later(c.Pipeline, func() error { allSeeds.Delete(c.Pipeline); return nil }); err != nil {
			return nil, err
		}
	}
	return sessions.Decode(c.Gap, s.books[bucket])
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
