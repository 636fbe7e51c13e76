package dlq

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/registry"
	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
	"clickstream/transforms/decode"
)

// Shown is one dead letter. Bytes are shown up to the limit that was asked for.
type Shown struct {
	DeadLetter Where      `json:"dead_letter"`
	Source     Where      `json:"source"`
	Reason     string     `json:"reason"`
	Error      string     `json:"error"`
	Stage      string     `json:"stage"`
	Version    string     `json:"version"`  // of the program that rejected it
	Attempts   int        `json:"attempts"` // how often it had been replayed
	Replayed   bool       `json:"replayed"` // since
	Copies     []string   `json:"copies,omitempty"`
	Headers    []HeaderOf `json:"headers"`
	Key        Bytes      `json:"key"`
	Value      Bytes      `json:"value"`
	Schema     *SchemaOf  `json:"schema,omitempty"` // where the value names one
	Decoded    *DecodedAs `json:"decoded,omitempty"`

	whole []byte // the value
}

// Where is a place, and when a record was put there.
type Where struct {
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Time      time.Time `json:"time"`
}

// HeaderOf is a header that the record had before it was rejected.
type HeaderOf struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Bytes is the beginning of a key or a value.
type Bytes struct {
	Null  bool   `json:"null,omitempty"`
	Size  int    `json:"size"`
	Shown []byte `json:"bytes"` // base64 in JSON
	Cut   int    `json:"cut"`   // how many more there are
}

func begin(b []byte, most int) Bytes {
	s := Bytes{Null: b == nil, Size: len(b), Shown: b}
	if most > 0 && len(b) > most {
		s.Shown, s.Cut = b[:most], len(b)-most
	}
	return s
}

// SchemaOf is the schema that a value names by the four bytes behind its first, which is zero.
type SchemaOf struct {
	ID       uint32 `json:"id"`
	Registry string `json:"registry,omitempty"`
	Found    bool   `json:"found"`
	Note     string `json:"note,omitempty"` // why it is not known what it is

	Text    string   `json:"schema,omitempty"`
	Changes []string `json:"changes,omitempty"` // from the schema that clicks are read by
	Fault   string   `json:"fault,omitempty"`   // why no record of it is a click
}

// DecodedAs is what a value says, as far as it can be read.
type DecodedAs struct {
	As    string `json:"as"`              // avro or json
	Text  string `json:"text"`            // JSON, indented
	Fault string `json:"fault,omitempty"` // where reading it ended
}

// Show returns a dead letter. By the place of its record, it is the first one of it, and the others are named.
func Show(ctx context.Context, s *settings.DLQShow, tell Tell) (*Shown, error) {
	t, err := open(ctx, s.Kafka.Connection(), s.DeadLetterTopic)
	if err != nil {
		return nil, err
	}
	defer t.close()
	find := t.at
	if s.Source {
		find = t.of
	}
	shown, err := find(ctx, s, tell)
	if err != nil {
		return nil, err
	}
	if err := shown.decode(ctx, s); err != nil {
		return nil, err
	}
	return shown, nil
}

// at finds the dead letter at a place, and whether a marker behind it names its record.
func (t *topic) at(ctx context.Context, s *settings.DLQShow, tell Tell) (*Shown, error) {
	e, err := t.part(ctx, time.Time{}, &s.Place.Partition)
	if err != nil {
		return nil, err
	}
	if s.Place.Offset < e.Start[0] || s.Place.Offset >= e.End[0] {
		return nil, fmt.Errorf("topic %s has no record at %s: partition %d begins at offset %d and ends before %d", t.name, s.Place, s.Place.Partition, e.Start[0], e.End[0])
	}
	e.Start[0] = s.Place.Offset
	var shown *Shown
	var record letter
	replayed := progress{}
	none := func(rec *kgo.Record, why string) error {
		return fmt.Errorf("topic %s partition %d offset %d is no dead letter, but %s; see dlq list for how many there are", t.name, rec.Partition, rec.Offset, why)
	}
	err = t.read(ctx, e, tell, func(rec *kgo.Record) error {
		m, is, err := readMarker(rec)
		switch {
		case rec.Offset == s.Place.Offset && is:
			return none(rec, "a marker of what was replayed")
		case rec.Offset == s.Place.Offset && !t.words.parse(rec, &record):
			return none(rec, "a record without the headers of one")
		case rec.Offset == s.Place.Offset:
			shown = t.show(&record, s.Bytes)
		case shown == nil:
			return fmt.Errorf("topic %s has no record at %s: the next one is at %d", t.name, s.Place, rec.Offset)
		case is && err == nil:
			_ = replayed.add(m, rec.Timestamp) // one that cannot be read says nothing
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if shown == nil {
		return nil, fmt.Errorf("topic %s has no record at %s, but the end of a transaction", t.name, s.Place)
	}
	replayed.identify(ctx, t)
	shown.Replayed = replayed.has(&record)
	return shown, nil
}

// of finds the dead letters of a record.
func (t *topic) of(ctx context.Context, s *settings.DLQShow, tell Tell) (*Shown, error) {
	var shown *Shown
	var record letter
	replayed := progress{}
	err := t.scan(ctx, t.extent, tell, func(l *letter) error {
		if l.source != s.Place.Partition || l.of != s.Place.Offset || s.Topic != "" && l.topic != s.Topic {
			return nil
		}
		switch {
		case shown == nil:
			record, shown = *l, t.show(l, s.Bytes)
		case l.topic != record.topic:
			return fmt.Errorf("topics %s and %s both have dead letters of partition %d offset %d; name one with --topic", record.topic, l.topic, l.source, l.of)
		default:
			shown.Copies = append(shown.Copies, settings.Place{Partition: l.partition, Offset: l.offset}.String())
		}
		return nil
	}, func(m marker, rec *kgo.Record) error { return replayed.add(m, rec.Timestamp) }, nil)
	if err != nil {
		return nil, err
	}
	if shown == nil {
		of := ""
		if s.Topic != "" {
			of = " of topic " + s.Topic
		}
		return nil, fmt.Errorf("topic %s has no dead letter of partition %d offset %d%s", t.name, s.Place.Partition, s.Place.Offset, of)
	}
	replayed.identify(ctx, t)
	shown.Replayed = replayed.has(&record)
	return shown, nil
}

func (t *topic) show(l *letter, most int) *Shown {
	s := &Shown{
		DeadLetter: Where{t.name, l.partition, l.offset, l.at.UTC()},
		Source:     Where{l.topic, l.source, l.of, time.UnixMilli(l.written).UTC()},
		Reason:     string(l.reason), Attempts: l.attempt, Headers: []HeaderOf{},
		Key: begin(l.record.Key, most), Value: begin(l.record.Value, most),
	}
	for _, h := range l.record.Headers {
		switch h.Key {
		case "dlq.error":
			s.Error = string(h.Value)
		case "dlq.stage":
			s.Stage = string(h.Value)
		case "dlq.version":
			s.Version = string(h.Value)
		case "dlq.reason", "dlq.topic", "dlq.partition", "dlq.offset", "dlq.timestamp":
		default:
			s.Headers = append(s.Headers, HeaderOf{h.Key, string(h.Value)})
		}
	}
	value := l.record.Value
	if len(value) >= 5 && value[0] == 0 {
		s.Schema = &SchemaOf{ID: binary.BigEndian.Uint32(value[1:])}
	}
	s.whole = value
	return s
}

// decode reads the value as far as it goes.
func (s *Shown) decode(ctx context.Context, of *settings.DLQShow) error {
	if s.Schema == nil {
		s.Decoded = asJSON(s.whole)
		return nil
	}
	if of.Registry == "" {
		s.Schema.Note = "name its registry with --registry to have the value decoded"
		return nil
	}
	schemas, err := registry.New(registry.Settings{URL: of.Registry, RetryTimeout: of.Kafka.RetryTimeout})
	if err != nil {
		return err
	}
	defer schemas.Close()
	s.Schema.Registry = registry.Redact(of.Registry)
	text, err := schemas.Schema(ctx, int(s.Schema.ID), time.Now())
	switch {
	case errors.Is(err, registry.ErrUnknown):
		s.Schema.Note = "the registry has no such schema"
	case errors.Is(err, registry.ErrNotAvro):
		s.Schema.Found, s.Schema.Note = true, "it is no Avro schema"
	case ctx.Err() != nil:
		return err
	case err != nil: // what there is to see without it is not to be lost
		s.Schema.Note = "it is not known: " + err.Error()
	default:
		s.Schema.Found, s.Decoded = true, asAvro(text, s.whole[5:])
		s.Schema.describe(text)
	}
	return nil
}

// describe says what is between the schema and that of a click.
func (s *SchemaOf) describe(text string) {
	s.Text = text
	var compact bytes.Buffer
	if json.Compact(&compact, []byte(text)) == nil {
		s.Text = compact.String()
	}
	if compared, err := decode.Compare(click.Schema, text); err == nil {
		s.Changes = compared.Changes
	}
	if f := decode.CheckSchema(s.ID, text); f != nil {
		s.Fault = f.Detail
	}
}
