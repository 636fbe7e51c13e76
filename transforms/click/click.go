// Package click holds the words of the domain: a click, a batch of clicks, why a record is no click,
// and a page's views in a window. It imports the standard library only.
package click

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxPageURL is the length in bytes of the longest page that is counted.
const MaxPageURL = 8 << 10

// Earliest is the first instant that a click's timestamp may name. Anything before it is a mistake,
// most often seconds where milliseconds are meant.
var Earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// earliest is Earliest in milliseconds since the epoch.
var earliest = Earliest.UnixMilli()

// Click is one ClickEvent. Its strings may point into the record that it was decoded from: clone what is kept.
type Click struct {
	EventID   string
	UserID    string
	PageURL   string
	Timestamp int64  // event time, milliseconds since the epoch
	SessionID string // empty where the event has none
}

// Check tells why c is no valid click, or returns nil. latest is the largest timestamp that it may carry,
// in milliseconds since the epoch: its record's time plus the clock skew.
//
// It is here that strings are found not to be UTF-8: Avro's decoder does not look into them.
func (c *Click) Check(latest int64) *Fault {
	switch {
	case c.EventID == "":
		return Faultf(InvalidField, "event_id is empty")
	case c.PageURL == "":
		return Faultf(InvalidField, "page_url is empty")
	case len(c.PageURL) > MaxPageURL:
		return Faultf(TooLarge, "page_url is %d bytes long, the longest that is counted is %d", len(c.PageURL), MaxPageURL)
	case c.Timestamp < earliest:
		return Faultf(InvalidField, "timestamp %d is before %s; it must be in milliseconds", c.Timestamp, Earliest.Format(time.DateOnly))
	case c.Timestamp > latest:
		return Faultf(FutureTimestamp, "timestamp %d is %d ms past the record's time and the clock skew", c.Timestamp, c.Timestamp-latest)
	case !utf8.ValidString(c.EventID):
		return notUTF8("event_id")
	case !utf8.ValidString(c.UserID):
		return notUTF8("user_id")
	case !utf8.ValidString(c.PageURL):
		return notUTF8("page_url")
	case !utf8.ValidString(c.SessionID):
		return notUTF8("session_id")
	}
	return nil
}

func notUTF8(field string) *Fault { return Faultf(InvalidField, "%s is not valid UTF-8", field) }

// Batch is the clicks of one fetched chunk of one partition, in columns: Pages[i] was viewed at Times[i].
// Its text may point into the fetched records: clone what is kept.
type Batch struct {
	Reader    int32 // who fetched it, by the first partition that is read by it
	Partition int32
	After     int64 // offset after the last record of the chunk before: before First where records between are gone
	First     int64 // offset of the chunk's first record
	Next      int64 // offset after the chunk's last record
	Watermark int64 // that was last reported before the chunk, milliseconds since the epoch; the least int64: none was
	Pages     []string
	Times     []int64   // event times, milliseconds since the epoch
	Schemas   []int32   // ids of the schemas that the clicks were written with, ascending; none for JSON
	Written   []Written // when the clicks' records were written, as far as no earlier run has consumed them
	Skipped   int64     // clicks left out as an earlier run had dealt with them
	Deferred  int64     // replayed clicks left out, whose windows are final: a rebuild of those takes them in
	Events    []Event   // what else each click says, in the same order; none where nobody asks for it
	Rejects   []Reject  // the records that are no clicks, where they are to stay with the others
}

// Event is what a click says besides its page and time, and where it stands. Its strings may point into the fetched
// record: clone what is kept.
type Event struct {
	ID        string
	User      string
	Session   string // empty where the click has none
	Offset    int64  // of its record
	Timestamp int64  // of its record, milliseconds since the epoch
}

// Visit is a click with all that it says, and where it stands.
type Visit struct {
	Event
	Page      string
	Time      int64 // event time, milliseconds since the epoch
	Partition int32
}

// Visit returns click i of b, whose events are told.
func (b *Batch) Visit(i int) Visit {
	return Visit{Event: b.Events[i], Page: b.Pages[i], Time: b.Times[i], Partition: b.Partition}
}

// PageView is one row of the table: a page's views in a window.
type PageView struct {
	WindowStart time.Time
	WindowEnd   time.Time
	PageURL     string
	ViewCount   int64
	UniqueUsers int64 // estimated, where Steps.Users is taken; else 0
}

// OffsetRange is the offsets of a partition from First up to, and without, Next.
type OffsetRange struct {
	First, Next int64
}

// Union returns the smallest range that covers both.
func (r OffsetRange) Union(o OffsetRange) OffsetRange {
	return OffsetRange{min(r.First, o.First), max(r.Next, o.Next)}
}

// String returns the range as «first-next».
func (r OffsetRange) String() string { return fmt.Sprintf("%d-%d", r.First, r.Next) }

// Schema is the Avro schema of a ClickEvent that the product reads with. The logical type stands at the
// field, where the registry's producers put it; Avro's own nested form is read as well.
const Schema = `{
  "type": "record",
  "name": "ClickEvent",
  "namespace": "com.example.events",
  "fields": [
    {"name": "event_id", "type": "string"},
    {"name": "user_id", "type": "string"},
    {"name": "page_url", "type": "string"},
    {"name": "timestamp", "type": "long", "logicalType": "timestamp-millis"},
    {"name": "session_id", "type": ["null", "string"], "default": null}
  ]
}`

// Tells tells whether there is anything to count, or to tell of what was left out.
func (b *Batch) Tells() bool { return len(b.Pages) > 0 || b.Skipped > 0 || b.Deferred > 0 }

// Own makes b's text independent of the records that it was decoded from.
func (b *Batch) Own() {
	for i, p := range b.Pages {
		b.Pages[i] = strings.Clone(p)
	}
	for i := range b.Events {
		e := &b.Events[i]
		e.ID, e.User, e.Session = strings.Clone(e.ID), strings.Clone(e.User), strings.Clone(e.Session)
	}
}
