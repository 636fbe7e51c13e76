package decode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"clickstream/transforms/click"
)

// JSON decodes records that are one JSON object each, as RFC 8259 has it: UTF-8, nothing after the object
// but white space. Unknown names are ignored, once their values are found to be JSON; their order is free.
//
// A timestamp is a number of milliseconds since the epoch, without a fraction however it is written (1e3
// and 1000.0 are 1000), or an RFC 3339 string, of which what is below a millisecond is dropped.
//
// What is wrong with the text goes before what is wrong with a field: an object that is cut off is json,
// and one that is followed by another is trailing_bytes, whatever its fields.
type JSON struct {
	text   *jsontext.Decoder
	buffer bytes.Buffer // reading from one, the decoder copies nothing
}

// NewJSON returns a decoder of JSON.
func NewJSON() *JSON { return &JSON{text: new(jsontext.Decoder)} }

// Schema implements Decoder.
func (d *JSON) Schema() int32 { return 0 }

// Duplicates of unknown names do no harm, and noticing them takes a fifth of the time. Those of a click's
// names are seen here.
var strict = jsontext.AllowDuplicateNames(true)

// Decode implements Decoder. It allocates nothing unless the record is at fault or one of its strings holds
// an escape.
func (d *JSON) Decode(_ context.Context, value []byte, _ int64, c *click.Click) (*click.Fault, error) {
	fault, malformed := d.object(value, c, strict)
	if malformed == nil {
		return fault, nil
	}
	// What is malformed may only be the encoding of one of our strings. Then that field is to blame.
	*c = click.Click{}
	fault, other := d.object(value, c, jsontext.AllowInvalidUTF8(true))
	if other == nil && fault != nil && fault.Reason == click.InvalidField {
		return fault, nil
	}
	if other == nil {
		for i, s := range [...]string{c.EventID, c.UserID, c.PageURL, "", c.SessionID} {
			if !utf8.ValidString(s) {
				return click.Faultf(click.InvalidField, "%s %v", names[i], errEncoding), nil
			}
		}
	}
	return click.Faultf(click.JSON, "%s", strings.TrimPrefix(malformed.Error(), "jsontext: ")), nil
}

// object makes c the object that value holds. The error is that of malformed text.
func (d *JSON) object(value []byte, c *click.Click, options jsontext.Options) (*click.Fault, error) {
	d.buffer = *bytes.NewBuffer(value)
	d.text.Reset(&d.buffer, strict, options)
	if d.text.PeekKind() != '{' {
		return d.noObject(value)
	}
	if _, err := d.text.ReadToken(); err != nil {
		return nil, err
	}
	c.SessionID = ""
	var fault *click.Fault // of the first field that has one
	var seen, there uint8  // a bit for each field
	for d.text.PeekKind() != '}' {
		name, err := d.text.ReadValue()
		if err != nil {
			return nil, err
		}
		f := fieldOf(name)
		text, err := d.text.ReadValue()
		if err != nil {
			return nil, err
		}
		if f == fields {
			continue
		}
		if seen&(1<<f) != 0 {
			return click.Faultf(click.JSON, "%s is there twice", names[f]), nil
		}
		seen |= 1 << f
		if text.Kind() == 'n' {
			continue
		}
		there |= 1 << f
		// The text as it stands in value, which outlives the decoder's buffer.
		end := d.text.InputOffset()
		if err := f.read(c, value[end-int64(len(text)):end]); err != nil && fault == nil {
			fault = click.Faultf(click.InvalidField, "%s %v", names[f], err)
		}
	}
	if _, err := d.text.ReadToken(); err != nil {
		return nil, err
	}
	if rest := bytes.TrimLeft(value[d.text.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return click.Faultf(click.TrailingBytes, "%d bytes follow the object", len(rest)), nil
	}
	if fault != nil {
		return fault, nil
	}
	return missing(seen, there), nil
}

// missing tells which required field is not there, given those whose names were seen and those that have
// a value.
func missing(seen, there uint8) *click.Fault {
	for f, name := range names {
		switch {
		case there&(1<<f) != 0, field(f) == sessionID:
		case seen&(1<<f) != 0:
			return click.Faultf(click.MissingField, "%s is null", name)
		default:
			return click.Faultf(click.MissingField, "the object has no %s", name)
		}
	}
	return nil
}

// noObject tells why the value is no object.
func (d *JSON) noObject(value []byte) (*click.Fault, error) {
	if len(value) == 0 {
		return click.Faultf(click.JSON, tombstone), nil
	}
	text, err := d.text.ReadValue()
	if errors.Is(err, io.EOF) {
		return click.Faultf(click.JSON, "the value is only white space"), nil
	}
	if err != nil {
		return nil, err
	}
	return click.Faultf(click.JSON, "the value is %s, an object is wanted", kind(text)), nil
}

// fieldOf returns the field of a name as it is quoted, or fields.
func fieldOf(quoted jsontext.Value) field {
	f := named(quoted[1 : len(quoted)-1])
	if f != fields || bytes.IndexByte(quoted, '\\') < 0 {
		return f
	}
	name, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		return fields
	}
	return named(name)
}

// named returns the field of a name, or fields.
func named(name []byte) field {
	switch string(name) {
	case "event_id":
		return eventID
	case "user_id":
		return userID
	case "page_url":
		return pageURL
	case "timestamp":
		return timestamp
	case "session_id":
		return sessionID
	default:
		return fields
	}
}

// errEncoding is what is wrong with a string that has other bytes or escapes than those of characters.
var errEncoding = errors.New("is not valid UTF-8, or has an escape for half a character")

// read sets f to a value other than null. The error goes on after the field's name.
func (f field) read(c *click.Click, text jsontext.Value) error {
	switch {
	case f == timestamp && text.Kind() == '0':
		return readNumber(c, text)
	case text.Kind() != '"':
		return fmt.Errorf("is %s, %s is wanted", kind(text), jsonWanted(f))
	}
	s := []byte(text[1 : len(text)-1])
	if bytes.IndexByte(s, '\\') >= 0 {
		var err error
		if s, err = jsontext.AppendUnquote(nil, text); err != nil {
			return errEncoding
		}
	}
	if f == timestamp {
		return readTime(c, s)
	}
	f.set(c, unsafe.String(unsafe.SliceData(s), len(s)))
	return nil
}

// readNumber sets c's timestamp to a number of milliseconds.
func readNumber(c *click.Click, text []byte) error {
	s := unsafe.String(unsafe.SliceData(text), len(text))
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		// To the precision of a float64, which is below a millisecond wherever a click can be valid.
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.Abs(f) > 1<<53 || f != math.Trunc(f) {
			return fmt.Errorf("is %.40s, a whole number of milliseconds is wanted", s)
		}
		n = int64(f)
	}
	c.Timestamp = n
	return nil
}

// readTime sets c's timestamp to an RFC 3339 time.
func readTime(c *click.Click, s []byte) error {
	var t time.Time
	if err := t.UnmarshalText(s); err != nil || !rfc3339(s) {
		return fmt.Errorf("is %.40q, a number of milliseconds or an RFC 3339 time is wanted", s)
	}
	c.Timestamp = t.UnixMilli()
	return nil
}

// rfc3339 reports whether a time that package time takes for one of RFC 3339 is. Package time is lax about
// hours of one digit, a comma before the fraction and offsets of a day and more: https://go.dev/issue/54580
func rfc3339(s []byte) bool {
	if len(s) < len("2006-01-02T15:04:05Z") || s[13] != ':' || s[19] == ',' {
		return false
	}
	zone := s[len(s)-len("07:00"):]
	return s[len(s)-1] == 'Z' || string(zone[:2]) < "24" && string(zone[3:]) < "60"
}

// jsonWanted names the JSON that a field is to have.
func jsonWanted(f field) string {
	if f == timestamp {
		return "a number of milliseconds or an RFC 3339 string"
	}
	return "a string"
}

// kind names a JSON value for a message.
func kind(v jsontext.Value) string {
	switch v.Kind() {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 'n':
		return "null"
	default:
		return "a boolean"
	}
}
