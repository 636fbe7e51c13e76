// Package decode turns records into clicks, strictly: whatever is not exactly one event is a fault that
// tells why. It knows nothing of Beam.
//
// A decoder answers for form: the framing, the schema, the syntax, that required fields are there and of
// the right type, that nothing follows the event. Whether the values are those of a valid click, UTF-8
// among it, is for click.Check to tell.
package decode

import (
	"context"

	"clickstream/transforms/click"
)

// Decoder decodes the records of one topic. It is not safe for concurrent use.
type Decoder interface {
	// Decode fills c from a record's value, which it neither changes nor keeps. The strings of c may point
	// into value: clone what is kept for longer than it.
	//
	// at is the latest time at which the record may have been written, in milliseconds since the epoch. The
	// time when it was fetched is best: all records of a fetched chunk then share what the registry said of
	// an unknown schema, however their producers' clocks go. The record's own timestamp does as well.
	//
	// A fault is the record's: it is no click, and c holds nothing of use. An error is the world's: the
	// record could not be judged, because the registry does not answer or ctx is done.
	Decode(ctx context.Context, value []byte, at int64, c *click.Click) (*click.Fault, error)

	// Schema returns the id of the schema that the last decoded click was written with, 0 for JSON.
	Schema() int32
}

// field is one of a click's fields.
type field uint8

// The fields, in the order of click.Schema.
const (
	eventID field = iota
	userID
	pageURL
	timestamp
	sessionID
	fields // how many there are
)

// names are the fields' names in Avro and JSON.
var names = [fields]string{"event_id", "user_id", "page_url", "timestamp", "session_id"}

// set makes s the value of one of c's string fields.
func (f field) set(c *click.Click, s string) {
	switch f {
	case eventID:
		c.EventID = s
	case userID:
		c.UserID = s
	case pageURL:
		c.PageURL = s
	case sessionID:
		c.SessionID = s
	}
}

// tombstone is the detail of the fault that an empty value is.
const tombstone = "the value is empty (a tombstone)"
