package oracle

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Enriched is a value of the enriched topic, as goavro reads it.
type Enriched struct {
	EventID, UserID, PageURL, RawPage, Host, Path string
	Timestamp, Recorded                           time.Time
	Session                                       string // empty: none
	Found                                         bool   // the session was
	Campaign                                      map[string]string
	Date                                          time.Time
	Hour                                          int
	Topic                                         string
	Partition                                     int32
	Offset                                        int64
}

var codecs sync.Map // schema → *goavro.Codec

func codecOf(schema string) (*goavro.Codec, error) {
	if c, ok := codecs.Load(schema); ok {
		return c.(*goavro.Codec), nil
	}
	c, err := goavro.NewCodec(schema)
	if err == nil {
		codecs.Store(schema, c)
	}
	return c, err
}

// ReadEnriched reads the value of a record of the enriched topic, of which schema is the Avro schema. All of the value is
// read.
func ReadEnriched(schema string, rec *kgo.Record) (Enriched, error) {
	codec, err := codecOf(schema)
	if err != nil {
		return Enriched{}, err
	}
	if len(rec.Value) < 5 || rec.Value[0] != 0 || binary.BigEndian.Uint32(rec.Value[1:]) == 0 {
		return Enriched{}, fmt.Errorf("offset %d is not framed", rec.Offset)
	}
	native, rest, err := codec.NativeFromBinary(rec.Value[5:])
	if err != nil || len(rest) > 0 {
		return Enriched{}, fmt.Errorf("offset %d: %d bytes are left: %w", rec.Offset, len(rest), err)
	}
	f := native.(map[string]any)
	e := Enriched{
		EventID: f["event_id"].(string), UserID: f["user_id"].(string),
		PageURL: f["page_url"].(string), RawPage: f["page_url_raw"].(string), Host: f["page_host"].(string), Path: f["page_path"].(string),
		Timestamp: f["timestamp"].(time.Time), Recorded: f["ingested_at"].(time.Time), Found: f["session_found"].(bool),
		Campaign: map[string]string{}, Date: f["event_date"].(time.Time), Hour: int(f["event_hour"].(int32)),
		Topic: f["source_topic"].(string), Partition: f["source_partition"].(int32), Offset: f["source_offset"].(int64),
	}
	if session, ok := f["session_id"].(map[string]any); ok {
		e.Session = session["string"].(string)
	}
	for _, p := range f["campaign"].([]any) {
		p := p.(map[string]any)
		e.Campaign[p["name"].(string)] = p["value"].(string)
	}
	return e, nil
}

// Sessions tells which of some clicks are of one session: those of a user, in time, each less than the gap after the one
// before. Clicks that have a session of their own, or no user, are left out. The result is sets of event ids, by the first.
func Sessions(clicks []Enriched, gap time.Duration) map[string][]string {
	byUser := map[string][]Enriched{}
	for _, c := range clicks {
		if c.UserID != "" && (c.Session == "" || c.Found) {
			byUser[c.UserID] = append(byUser[c.UserID], c)
		}
	}
	sessions := map[string][]string{}
	for _, of := range byUser {
		slices.SortFunc(of, func(a, b Enriched) int { return a.Timestamp.Compare(b.Timestamp) })
		var current []Enriched
		end := func() {
			ids := map[string]bool{}
			for _, c := range current {
				ids[c.EventID] = true
			}
			if all := slices.Sorted(maps.Keys(ids)); len(all) > 0 {
				sessions[all[0]] = all
			}
			current = nil
		}
		for _, c := range of {
			if n := len(current); n > 0 && c.Timestamp.Sub(current[n-1].Timestamp) >= gap {
				end()
			}
			current = append(current, c)
		}
		end()
	}
	return sessions
}

// Told returns the sessions that the clicks say they are of, as Sessions does.
func Told(clicks []Enriched) map[string][]string {
	ids := map[string]map[string]bool{}
	for _, c := range clicks {
		if !c.Found {
			continue
		}
		if ids[c.Session] == nil {
			ids[c.Session] = map[string]bool{}
		}
		ids[c.Session][c.EventID] = true
	}
	sessions := map[string][]string{}
	for _, of := range ids {
		all := slices.Sorted(maps.Keys(of))
		sessions[all[0]] = all
	}
	return sessions
}
