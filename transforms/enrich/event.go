package enrich

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/transforms/click"
)

// Schema is the Avro schema of the enriched topic's values. It has all that click.Schema has, so that a run counts from
// that topic as from any other, by normalized page.
const Schema = `{
  "type": "record",
  "name": "EnrichedClickEvent",
  "namespace": "com.example.events",
  "doc": "A click, and what follows from it.",
  "fields": [
    {"name": "event_id", "type": "string", "doc": "The record's key as well."},
    {"name": "user_id", "type": "string"},
    {"name": "page_url", "type": "string", "doc": "Normalized; what is no URL is as it was."},
    {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "session_id", "type": ["null", "string"], "default": null, "doc": "The click's own, or the one that was found."},
    {"name": "session_found", "type": "boolean", "doc": "Whether the session was found from the user's other clicks."},
    {"name": "page_url_raw", "type": "string", "doc": "As the click has it."},
    {"name": "page_host", "type": "string", "doc": "In lower case, in ASCII, with a port that is not the scheme's own; empty where there is none."},
    {"name": "page_path", "type": "string", "doc": "As the URL has it; empty where the page is no URL."},
    {"name": "campaign", "type": {"type": "array", "items": {"type": "record", "name": "CampaignParameter", "fields": [
      {"name": "name", "type": "string"}, {"name": "value", "type": "string"}
    ]}}, "doc": "The parameters utm_*, decoded, by name."},
    {"name": "event_date", "type": {"type": "int", "logicalType": "date"}, "doc": "The day of timestamp, in UTC."},
    {"name": "event_hour", "type": "int", "doc": "The hour of that day, from 0 to 23."},
    {"name": "ingested_at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "doc": "The time of the record that the click came in."},
    {"name": "source_topic", "type": "string"},
    {"name": "source_partition", "type": "int"},
    {"name": "source_offset", "type": "long"}
  ]
}`

// event is a value of Schema.
type event struct {
	EventID         string  `avro:"event_id"`
	UserID          string  `avro:"user_id"`
	PageURL         string  `avro:"page_url"`
	Timestamp       int64   `avro:"timestamp"`
	SessionID       *string `avro:"session_id"`
	SessionFound    bool    `avro:"session_found"`
	PageURLRaw      string  `avro:"page_url_raw"`
	PageHost        string  `avro:"page_host"`
	PagePath        string  `avro:"page_path"`
	Campaign        []Param `avro:"campaign"`
	EventDate       int32   `avro:"event_date"`
	EventHour       int32   `avro:"event_hour"`
	IngestedAt      int64   `avro:"ingested_at"`
	SourceTopic     string  `avro:"source_topic"`
	SourcePartition int32   `avro:"source_partition"`
	SourceOffset    int64   `avro:"source_offset"`
}

// encoder makes values of the enriched topic. It is used by one goroutine at a time.
type encoder struct {
	topic  string // that clicks come from
	id     int32  // of Schema
	schema *avro.Schema
	value  event

	pages map[string]Page // that were met, by URL
	bytes int             // that they take
}

// maxPages is how many bytes the URLs that are remembered may take, with what they say. Pages repeat, and reading one takes
// as long as all the rest.
const maxPages = 32 << 20

// weight is about how many bytes p takes in memory, beside the URL it was read from.
func (p *Page) weight() int {
	return 256 + len(p.URL) + len(p.Host) + 64*len(p.Campaign)
}

func newEncoder(topic string, id int32) (*encoder, error) {
	schema, err := avro.Parse(Schema)
	if err != nil {
		return nil, fmt.Errorf("the enriched topic's schema: %w", err)
	}
	return &encoder{topic: topic, id: id, schema: schema, pages: map[string]Page{}}, nil
}

const (
	day  = int64(24 * time.Hour / time.Millisecond)
	hour = int64(time.Hour / time.Millisecond)
)

// append appends the framed value of v to b. found tells that v's session was found here. The value depends on nothing
// else.
func (e *encoder) append(b []byte, v *click.Visit, found bool) ([]byte, error) {
	page := e.page(v.Page)
	within := (v.Time%day + day) % day
	e.value = event{
		EventID: v.ID, UserID: v.User, PageURL: page.URL, Timestamp: v.Time,
		PageURLRaw: v.Page, PageHost: page.Host, PagePath: page.Path, Campaign: page.Campaign,
		EventDate: int32((v.Time - within) / day), EventHour: int32(within / hour), //nolint:gosec // in millions of years
		IngestedAt: v.Timestamp, SourceTopic: e.topic, SourcePartition: v.Partition, SourceOffset: v.Offset,
	}
	if v.Session != "" {
		e.value.SessionID, e.value.SessionFound = &v.Session, found
	}
	b = binary.BigEndian.AppendUint32(append(b, 0), uint32(e.id)) //nolint:gosec // see decode.Avro
	b, err := e.schema.AppendEncode(b, &e.value)
	if err != nil {
		return b, fmt.Errorf("encode the click of partition %d offset %d: %w", v.Partition, v.Offset, err)
	}
	return b, nil
}

// record makes r the record of v, whose key and value are appended to room, which is returned.
func (e *encoder) record(r *kgo.Record, room []byte, v *click.Visit, found bool) ([]byte, error) {
	begin := len(room)
	room = append(room, v.ID...)
	key := len(room)
	room, err := e.append(room, v, found)
	r.Key, r.Value, r.Timestamp = room[begin:key:key], room[key:len(room):len(room)], time.UnixMilli(v.Timestamp)
	return room, err
}

// size is about what a visit's record takes.
func size(v *click.Visit) int {
	return 2*len(v.ID) + len(v.User) + len(v.Session) + 3*len(v.Page) + 96
}

// page is ParsePage.
func (e *encoder) page(url string) Page {
	if p, ok := e.pages[url]; ok {
		return p
	}
	url = strings.Clone(url)
	p := ParsePage(url)
	if len(p.URL) > click.MaxPageURL { // as a host in ASCII may be longer; a run would reject it
		p.URL = url
	}
	if e.bytes += len(url) + p.weight(); e.bytes > maxPages {
		clear(e.pages)
		e.bytes = len(url) + p.weight()
	}
	e.pages[url] = p
	return p
}
