package kafka

import (
	"context"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ReadExtent reads an extent, which has ends, and hands each record to f.
func ReadExtent(ctx context.Context, s ReaderSettings, e Extent, f func(*kgo.Record) error) error {
	for _, a := range e.Divide(uuid.NewString(), 1) {
		if err := readAssignment(ctx, s, a, f); err != nil {
			return err
		}
	}
	return nil
}

func readAssignment(ctx context.Context, s ReaderSettings, a Assignment, f func(*kgo.Record) error) error {
	r, err := OpenReader(s, a, a.Start, NoTime)
	if err != nil {
		return err
	}
	defer r.Close()
	for !r.Done() {
		err := r.Poll(ctx, func(c Chunk) error {
			for _, rec := range c.Records {
				if err := f(rec); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}
