package oracle

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/linkedin/goavro/v2"
)

// event is what a record says, before anybody asks whether it is valid.
type event struct {
	eventID, userID, pageURL, sessionID string
	timestamp                           int64 // milliseconds since the epoch
}

// valid is the contract's sentence on a valid click: event_id and page_url are not empty; strings are valid
// UTF-8; page_url is at most 8 KiB; timestamp lies between 2000-01-01 and the record's time + clock skew.
func (e event) valid(recorded time.Time, skew time.Duration) bool {
	earliest := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	return e.eventID != "" && e.pageURL != "" &&
		utf8.ValidString(e.eventID) && utf8.ValidString(e.userID) && utf8.ValidString(e.pageURL) && utf8.ValidString(e.sessionID) &&
		len(e.pageURL) <= 8*1024 &&
		earliest.UnixMilli() <= e.timestamp && e.timestamp <= recorded.Add(skew).UnixMilli()
}

// fromJSON reads a value that is one JSON object and nothing else, with each of the event's names at most
// once.
func fromJSON(value []byte) (e event, ok bool) {
	if !utf8.Valid(value) || !json.Valid(value) {
		return e, false
	}
	d := json.NewDecoder(bytes.NewReader(value))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return e, false
	}
	ok = true
	seen := make(map[string]bool)
	for d.More() {
		name, err := d.Token()
		var raw json.RawMessage
		if err != nil || d.Decode(&raw) != nil {
			return e, false
		}
		var read bool
		switch name {
		case "event_id":
			read = text(raw, &e.eventID)
		case "user_id":
			read = text(raw, &e.userID)
		case "page_url":
			read = text(raw, &e.pageURL)
		case "session_id":
			read = string(raw) == "null" || text(raw, &e.sessionID)
		case "timestamp":
			read = instant(raw, &e.timestamp)
		default:
			continue // a name that means nothing here
		}
		ok = ok && read && !seen[name.(string)]
		seen[name.(string)] = true
	}
	return e, ok && seen["event_id"] && seen["user_id"] && seen["page_url"] && seen["timestamp"]
}

// text reads a JSON string. An escape for half a character makes it no string of valid UTF-8;
// encoding/json puts a replacement character there, which otherwise stands only where the text has one.
func text(raw json.RawMessage, into *string) bool {
	if raw[0] != '"' || json.Unmarshal(raw, into) != nil {
		return false
	}
	written := strings.Count(string(raw), "\uFFFD") + strings.Count(strings.ToLower(string(raw)), `\ufffd`)
	return strings.Count(*into, "\uFFFD") <= written
}

// instant reads epoch milliseconds, which may not have a fraction, or an RFC 3339 string.
func instant(raw json.RawMessage, into *int64) bool {
	if raw[0] == '"' {
		var s string
		var t time.Time
		if json.Unmarshal(raw, &s) != nil || t.UnmarshalText([]byte(s)) != nil {
			return false
		}
		*into = t.UnixMilli()
		return true
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(string(raw), 64) // 1.7e12
		if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return false
		}
		n = int64(f)
	}
	*into = n
	return true
}

// schemas are the writers' schemas by id, asked for once each.
type schemas struct {
	registry string
	byID     sync.Map // uint32 → *schema; nil where there is none by that id, or none of Avro
}

type schema struct {
	codec *goavro.Codec
	unit  int64 // parts of a millisecond that the timestamp counts
}

// fromAvro reads a value in Confluent's frame, a zero and the schema's id, with one event behind it and
// nothing else. The error is the registry's.
func (s *schemas) fromAvro(ctx context.Context, value []byte) (e event, ok bool, err error) {
	if len(value) < 5 || value[0] != 0 {
		return e, false, nil
	}
	written, err := s.find(ctx, binary.BigEndian.Uint32(value[1:5]))
	if written == nil || err != nil {
		return e, false, err
	}
	native, rest, err := written.codec.NativeFromBinary(value[5:])
	record, isRecord := native.(map[string]any)
	if err != nil || len(rest) > 0 || !isRecord {
		return e, false, nil
	}
	ok = true
	for field, into := range map[string]*string{"event_id": &e.eventID, "user_id": &e.userID, "page_url": &e.pageURL} {
		var is bool
		*into, is = branch(record[field]).(string)
		ok = ok && is
	}
	if session := branch(record["session_id"]); session != nil {
		var is bool
		e.sessionID, is = session.(string)
		ok = ok && is
	}
	switch at := branch(record["timestamp"]).(type) {
	case int64:
		e.timestamp = at / written.unit
	case int32: // Avro lets a long be read from an int
		e.timestamp = int64(at) / written.unit
	case time.Time: // goavro knows the logical type where it stands in the type
		e.timestamp = at.UnixMilli()
	default:
		ok = false
	}
	return e, ok, nil
}

// branch takes a value out of goavro's map around what a union holds.
func branch(v any) any {
	if union, ok := v.(map[string]any); ok && len(union) == 1 {
		for _, held := range union {
			v = held
		}
	}
	if b, ok := v.([]byte); ok {
		return string(b) // Avro lets a string be read from bytes
	}
	return v
}

func (s *schemas) find(ctx context.Context, id uint32) (*schema, error) {
	if known, ok := s.byID.Load(id); ok {
		return known.(*schema), nil
	}
	found, err := s.fetch(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("schema %d: %w", id, err)
	}
	s.byID.Store(id, found)
	return found, nil
}

func (s *schemas) fetch(ctx context.Context, id uint32) (found *schema, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/schemas/ids/%d", strings.TrimRight(s.registry, "/"), id), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusNotFound:
		return nil, nil
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the registry says %s", resp.Status)
	}
	var answer struct{ Schema, SchemaType string }
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("the registry's answer: %w", err)
	}
	codec, err := goavro.NewCodec(answer.Schema)
	if err != nil || answer.SchemaType != "" && answer.SchemaType != "AVRO" {
		return nil, nil
	}
	return &schema{codec, unit(answer.Schema)}, nil
}

// unit tells in what the timestamp counts, by the logical type that stands beside the field's type. goavro
// overlooks it there.
func unit(text string) int64 {
	var record struct {
		Fields []struct{ Name, LogicalType string }
	}
	if json.Unmarshal([]byte(text), &record) == nil {
		for _, f := range record.Fields {
			switch {
			case f.Name == "timestamp" && f.LogicalType == "timestamp-micros":
				return 1_000
			case f.Name == "timestamp" && f.LogicalType == "timestamp-nanos":
				return 1_000_000
			}
		}
	}
	return 1
}
