package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/linkedin/goavro/v2"

	"clickstream/transforms/click"
)

// schemas are what clicks are written with, by their number less one. The second is a later version: a field more, and
// the others in another order. The third lacks a field that a click must have.
var schemas = [...]string{
	click.Schema,
	`{"type": "record", "name": "ClickEvent", "namespace": "com.example.events", "fields": [
		{"name": "timestamp", "type": "long", "logicalType": "timestamp-millis"},
		{"name": "page_url", "type": "string"},
		{"name": "referrer", "type": ["null", "string"], "default": null},
		{"name": "user_id", "type": "string"},
		{"name": "session_id", "type": ["null", "string"], "default": null},
		{"name": "event_id", "type": "string"}
	]}`,
	`{"type": "record", "name": "ClickEvent", "namespace": "com.example.events", "fields": [
		{"name": "event_id", "type": "string"},
		{"name": "user_id", "type": "string"},
		{"name": "timestamp", "type": "long", "logicalType": "timestamp-millis"}
	]}`,
}

// kinds are the kinds of record that are no clicks, and the reason of their dead letter.
var kinds = map[string]click.Reason{
	"bad_magic":      click.BadMagic,      // of Avro
	"tombstone":      click.BadMagic,      // of JSON: json
	"unknown_schema": click.UnknownSchema, // of Avro
	"avro":           click.Avro,          // cut in the middle
	"json":           click.JSON,
	"trailing_bytes": click.TrailingBytes,
	"missing_field":  click.MissingField,
	"invalid_field":  click.InvalidField, // seconds where milliseconds are meant
	"not_utf8":       click.InvalidField, // of Avro
	"too_large":      click.TooLarge,
}

// encoder makes the values of records.
type encoder struct {
	format string
	ids    []int // of the schemas in the registry
	codecs []*goavro.Codec
}

func newEncoder(format string, ids []int) (*encoder, error) {
	e := &encoder{format: format, ids: ids}
	for _, s := range schemas {
		codec, err := goavro.NewCodec(s)
		if err != nil {
			return nil, fmt.Errorf("schema of clicks: %w", err)
		}
		e.codecs = append(e.codecs, codec)
	}
	return e, nil
}

// value returns the value of r, the nth of its topic.
func (e *encoder) value(r record, n int) ([]byte, error) {
	fields := map[string]any{
		"event_id": fmt.Sprintf("event-%d", n), "user_id": fmt.Sprintf("user-%d", n%7), "page_url": r.page, "timestamp": r.at.UnixMilli(),
		"session_id": nil,
	}
	switch r.kind {
	case "":
	case "tombstone":
		return nil, nil
	case "bad_magic", "json":
		return []byte("GET /"), nil
	case "too_large":
		fields["page_url"] = "/" + strings.Repeat("a", click.MaxPageURL)
	case "invalid_field":
		fields["page_url"], fields["timestamp"] = "/a", r.time.Unix()
	case "not_utf8":
		fields["page_url"] = "/\xff"
	default:
		fields["page_url"], fields["timestamp"] = "/a", r.time.UnixMilli()
	}
	if e.format == "json" {
		return e.json(r.kind, fields)
	}
	return e.avro(r, fields)
}

func (e *encoder) json(kind string, fields map[string]any) ([]byte, error) {
	switch kind {
	case "missing_field":
		delete(fields, "page_url")
	case "bad_magic", "unknown_schema", "avro", "not_utf8":
		return nil, fmt.Errorf("a record of JSON cannot be of the kind %s", kind)
	case "":
		if at, _ := fields["timestamp"].(int64); at%2 == 1 {
			fields["timestamp"] = time.UnixMilli(at).UTC().Format(time.RFC3339Nano) // the other form
		}
	}
	b, err := json.Marshal(fields)
	if kind == "trailing_bytes" {
		b = append(b, " {}"...)
	}
	return b, err
}

func (e *encoder) avro(r record, fields map[string]any) ([]byte, error) {
	number := r.schema
	if r.kind == "missing_field" {
		number = len(schemas)
	}
	if r.schema == 2 {
		fields["referrer"] = goavro.Union("string", "https://search.example/")
	}
	id := e.ids[number-1]
	if r.kind == "unknown_schema" {
		id = 1 << 30
	}
	b, err := e.codecs[number-1].BinaryFromNative(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), fields)
	if err != nil {
		return nil, fmt.Errorf("encode a click as Avro: %w", err)
	}
	switch r.kind {
	case "avro":
		b = b[:len(b)*2/3]
	case "trailing_bytes":
		b = append(b, "!!"...)
	case "json":
		return nil, fmt.Errorf("a record of Avro cannot be of the kind %s", r.kind)
	}
	return b, nil
}
