package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/transforms/click"
	"clickstream/transforms/decode"
)

// rules tell which records are clicks, as they do in a run. Whether a click came too late is not among them: it
// depends on when it was read.
type rules struct {
	decoder decode.Decoder
	skew    int64 // milliseconds
	window  int64 // milliseconds
}

func (s *source) rules() *rules {
	r := &rules{decoder: decode.NewJSON(), skew: s.ClockSkew.Milliseconds(), window: s.of.Window.Milliseconds()}
	if s.schemas != nil {
		r.decoder = decode.NewAvro(s.schemas)
	}
	return r
}

// judge makes c the click that a record is, or tells why it is none. c points into the record. The error is that
// the record could not be judged.
func (r *rules) judge(ctx context.Context, rec *kgo.Record, fetched int64, c *click.Click) (*click.Fault, error) {
	fault, err := r.decoder.Decode(ctx, rec.Value, fetched, c)
	if err != nil {
		return nil, fmt.Errorf("topic %s partition %d offset %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
	}
	if fault == nil {
		fault = c.Check(rec.Timestamp.UnixMilli() + r.skew)
	}
	return fault, nil
}

// windowOf returns the start of the window that a valid click lies in: no valid time is negative.
func (r *rules) windowOf(c *click.Click) int64 { return c.Timestamp - c.Timestamp%r.window }

// instant returns the time that is so many milliseconds past the epoch.
func instant(millis int64) time.Time { return time.UnixMilli(millis).UTC() }
