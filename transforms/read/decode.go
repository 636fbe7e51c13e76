package read

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/io/registry"
	"clickstream/transforms/click"
	"clickstream/transforms/decode"
	"clickstream/transforms/replay"
)

// DecodeSettings are how records become clicks, and which clicks are counted. They are serialized into the graph.
type DecodeSettings struct {
	Format          string // "avro", framed as the registry's producers do, or "json"
	Registry        registry.Settings
	ClockSkew       time.Duration // how far past its record's time a click may lie
	Window          time.Duration
	AllowedLateness time.Duration
	Final           int64 // windows that end by then were final before this run began, milliseconds since the epoch; 0: none
	Events          bool  // batches tell all that the clicks say
	Rejects         bool  // batches hold the records that are no clicks, for whoever writes both at once
	AnyTime         bool  // no click is too late
	MaxBytes        int   // what a click says may take, its page four times and its id twice, or it is too large; 0: anything
}

// Decoder makes a batch of clicks of a chunk of records.
type Decoder struct {
	settings DecodeSettings
	records  decode.Decoder
	batch    click.Batch
}

// NewDecoder returns a decoder, or an error if its settings make no sense.
func NewDecoder(s DecodeSettings) (*Decoder, error) {
	switch s.Format {
	case "json":
		return &Decoder{settings: s, records: decode.NewJSON()}, nil
	case "avro":
		schemas, err := registry.New(s.Registry)
		if err != nil {
			return nil, err
		}
		return &Decoder{settings: s, records: decode.NewAvro(schemas)}, nil
	}
	return nil, fmt.Errorf("format %q is neither avro nor json", s.Format)
}

// Chunk decodes and checks each record of c, which was fetched now. It hands those that are no click, or come too
// late, to reject, and shows the watermark the others. It fails only for what is no fault of the records. The
// batch is valid until the next call.
func (d *Decoder) Chunk(ctx context.Context, topic string, c kafka.Chunk, now time.Time, w *kafka.Watermark, reject func(click.Reject)) (b click.Batch, err error) {
	b = d.batch
	b.Skipped, b.Deferred = 0, 0
	defer func() { d.batch = b }()
	b.Partition, b.After, b.First, b.Next, b.Watermark = c.Partition, c.After, c.First, c.Next, w.Reported()
	b.Pages, b.Times, b.Schemas = slices.Grow(b.Pages[:0], len(c.Records)), slices.Grow(b.Times[:0], len(c.Records)), b.Schemas[:0]
	b.Events, b.Rejects, b.Written = b.Events[:0], b.Rejects[:0], b.Written[:0]
	var (
		clicked click.Click
		newest  = kafka.NoTime
		oldest  = d.oldest(w)
		skew    = d.settings.ClockSkew.Milliseconds()
		fetched = now.UnixMilli()
		written = fetched
	)
	if !c.Written.IsZero() {
		written = c.Written.UnixMilli()
	}
	for _, rec := range c.Records {
		at := rec.Timestamp.UnixMilli()
		fault, err := d.records.Decode(ctx, rec.Value, written, &clicked)
		stage := "decode"
		switch {
		case err != nil:
			return b, fmt.Errorf("topic %s partition %d offset %d: %w", topic, rec.Partition, rec.Offset, err)
		case fault != nil:
		default:
			stage = "validate"
			if fault = clicked.Check(at + skew); fault == nil {
				fault = d.checkSize(&clicked)
			}
			if fault == nil && d.dealtWith(c, rec, clicked.Timestamp) {
				b.Skipped++
				continue
			}
			if fault == nil && clicked.Timestamp < oldest {
				if _, replayed := replay.Of(rec.Headers); replayed {
					b.Deferred++ // it was a dead letter once, and is not to be one again
					continue
				}
				stage = "window"
				fault = click.Faultf(click.TooLate, "timestamp %d: its window was final at %d, by the watermark less the allowed lateness", clicked.Timestamp, oldest)
			}
		}
		if fault != nil {
			x := rejected(topic, rec, fault, stage)
			reject(x)
			if d.settings.Rejects {
				b.Rejects = append(b.Rejects, x)
			}
			continue
		}
		b.Pages = append(b.Pages, clicked.PageURL)
		b.Times = append(b.Times, clicked.Timestamp)
		if d.settings.Events {
			b.Events = append(b.Events, click.Event{ID: clicked.EventID, User: clicked.UserID, Session: clicked.SessionID, Offset: rec.Offset, Timestamp: at})
		}
		newest = max(newest, clicked.Timestamp)
		if rec.Offset >= c.Consumed {
			b.Written = wrote(b.Written, click.WrittenAt(at, fetched))
		}
		if id := d.records.Schema(); id != 0 && (len(b.Schemas) == 0 || b.Schemas[len(b.Schemas)-1] != id) {
			b.Schemas = append(b.Schemas, id)
		}
	}
	slices.Sort(b.Schemas)
	b.Schemas = slices.Compact(b.Schemas)
	if newest != kafka.NoTime {
		w.Observe(c.Index, newest, now)
	}
	return b, nil
}

// wrote adds a click whose record was written then. Records that follow each other were mostly written at about the same
// time.
func wrote(w []click.Written, millis int64) []click.Written {
	if n := len(w); n > 0 && w[n-1].Millis == millis {
		w[n-1].Clicks++
		return w
	}
	return append(w, click.Written{Millis: millis, Clicks: 1})
}

// checkSize tells whether c is larger than what may be said of it.
func (d *Decoder) checkSize(c *click.Click) *click.Fault {
	n := 2*len(c.EventID) + len(c.UserID) + len(c.SessionID) + 4*len(c.PageURL)
	if d.settings.MaxBytes == 0 || n <= d.settings.MaxBytes {
		return nil
	}
	return click.Faultf(click.TooLarge, "what follows from it takes up to %d bytes, and the topic takes %d", n, d.settings.MaxBytes)
}

// dealtWith tells whether an earlier run has counted the click into a window that is final, or has rejected it as
// too late. Its watermark is not known any more: this run would count a click that is a dead letter. For who takes clicks
// of any time, those that were replayed as they came too late are clicks where they first stood.
func (d *Decoder) dealtWith(c kafka.Chunk, rec *kgo.Record, at int64) bool {
	if d.settings.AnyTime && replay.OfALateClick(rec.Headers) {
		return true
	}
	return at < d.settings.Final && rec.Offset < c.Consumed || len(c.Rejected) > 0 && c.Rejected.Has(rec.Offset)
}

// oldest returns the first event time whose window is not final: the watermark that was last reported, less the
// allowed lateness, down to a window's border. The runner would drop older events silently. Windows that were
// final before stay so.
func (d *Decoder) oldest(w *kafka.Watermark) int64 {
	reported := w.Reported()
	if reported == kafka.NoTime || d.settings.AnyTime {
		return d.settings.Final
	}
	final := reported - d.settings.AllowedLateness.Milliseconds()
	size := d.settings.Window.Milliseconds()
	return max(d.settings.Final, final-((final%size)+size)%size)
}

func rejected(topic string, rec *kgo.Record, fault *click.Fault, stage string) click.Reject {
	x := click.Reject{
		Fault: *fault, Stage: stage,
		Topic: topic, Partition: rec.Partition, Offset: rec.Offset, Timestamp: rec.Timestamp.UnixMilli(),
		Key: rec.Key, Value: rec.Value,
	}
	for _, h := range rec.Headers {
		x.Headers = append(x.Headers, click.Header{Key: h.Key, Value: h.Value})
	}
	return x
}
