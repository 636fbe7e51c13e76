// Package generate makes synthetic clicks: the same ones for the same seed.
package generate

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/transforms/click"
)

// Settings say which clicks are made.
type Settings struct {
	Format       string        // "avro", framed with Schema, or "json"
	SchemaID     int           // id of click.Schema in the registry
	Seed         uint64        // of all that is random
	Pages        int           // distinct pages
	Users        int           // distinct users
	Zipf         float64       // exponent of the pages' popularity, above 1; 0: all alike
	BadFraction  float64       // of records that are no clicks, of each kind in turn
	LateFraction float64       // of clicks whose window is long final
	Jitter       time.Duration // how far event times lie behind, at most: the clicks' disorder
}

// Source makes records, one after the other.
type Source struct {
	settings Settings
	random   *rand.Rand
	zipf     *rand.Zipf
	codec    *goavro.Codec
	made     int64
	bad      int
}

// Lateness is how far behind the clicks of LateFraction are.
const Lateness = time.Hour

// New returns the source of the clicks that s describes.
func New(s Settings) (*Source, error) {
	switch {
	case s.Format != "avro" && s.Format != "json":
		return nil, fmt.Errorf("format %q: clicks are written as avro or json", s.Format)
	case s.Pages < 1:
		return nil, fmt.Errorf("%d pages: at least one is needed", s.Pages)
	case s.Users < 1:
		return nil, fmt.Errorf("%d users: at least one is needed", s.Users)
	case s.Zipf != 0 && s.Zipf <= 1:
		return nil, fmt.Errorf("a Zipf exponent of %g: it must be above 1, or 0 for pages that are all alike", s.Zipf)
	}
	codec, err := goavro.NewCodec(click.Schema)
	if err != nil {
		return nil, fmt.Errorf("the schema of clicks: %w", err)
	}
	src := &Source{settings: s, random: rand.New(rand.NewPCG(s.Seed, 0x636c69636b)), codec: codec}
	if s.Zipf != 0 {
		src.zipf = rand.NewZipf(src.random, s.Zipf, 1, uint64(s.Pages-1))
	}
	return src, nil
}

// Next returns a record that is written at the given time: a click, or what BadFraction and LateFraction ask for.
// It carries that time, and its event time lies up to the jitter before.
func (s *Source) Next(at time.Time) (*kgo.Record, error) {
	s.made++
	c := s.click(at)
	bad := s.settings.BadFraction > 0 && s.random.Float64() < s.settings.BadFraction
	if !bad && s.settings.LateFraction > 0 && s.random.Float64() < s.settings.LateFraction {
		c.Timestamp -= Lateness.Milliseconds()
	}
	var spoil func(*Source, *click.Click, []byte) []byte
	if bad {
		spoil = spoilers[s.bad%len(spoilers)]
		s.bad++
		spoil(s, &c, nil)
	}
	value, err := s.encode(c)
	if err != nil {
		return nil, err
	}
	if bad {
		value = spoil(s, nil, value)
	}
	return &kgo.Record{Key: []byte(c.UserID), Value: value, Timestamp: at}, nil
}

func (s *Source) click(at time.Time) click.Click {
	page := uint64(0)
	if s.zipf != nil {
		page = s.zipf.Uint64()
	} else {
		page = s.random.Uint64N(uint64(s.settings.Pages))
	}
	ms := at.UnixMilli()
	if j := s.settings.Jitter.Milliseconds(); j > 0 {
		ms -= s.random.Int64N(j)
	}
	c := click.Click{
		EventID:   s.id(),
		UserID:    "user-" + strconv.FormatUint(s.random.Uint64N(uint64(s.settings.Users)), 10),
		PageURL:   pageURL(page),
		Timestamp: ms,
	}
	if s.random.Uint32N(5) > 0 {
		c.SessionID = s.id()
	}
	return c
}

func (s *Source) id() string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], s.random.Uint64())
	binary.BigEndian.PutUint64(id[8:], s.random.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // version 4, RFC 9562's variant
	return id.String()
}

var sections = [...]string{"products", "blog", "help", "account", "search"}

func pageURL(n uint64) string {
	if n == 0 {
		return "https://shop.example/"
	}
	return "https://shop.example/" + sections[n%uint64(len(sections))] + "/" + strconv.FormatUint(n, 10)
}

func (s *Source) encode(c click.Click) ([]byte, error) {
	var session any
	if s.settings.Format == "json" {
		if c.SessionID != "" {
			session = c.SessionID
		}
		b, err := json.Marshal(map[string]any{
			"event_id": c.EventID, "user_id": c.UserID, "page_url": c.PageURL, "timestamp": c.Timestamp, "session_id": session,
		})
		if err != nil {
			return nil, fmt.Errorf("encode a click as JSON: %w", err)
		}
		return b, nil
	}
	if c.SessionID != "" {
		session = goavro.Union("string", c.SessionID)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 1, 160), uint32(s.settings.SchemaID))
	b, err := s.codec.BinaryFromNative(frame, map[string]any{
		"event_id": c.EventID, "user_id": c.UserID, "page_url": c.PageURL, "timestamp": c.Timestamp, "session_id": session,
	})
	if err != nil {
		return nil, fmt.Errorf("encode a click as Avro: %w", err)
	}
	return b, nil
}

// spoilers make records that are no clicks. Each is called twice: with the click before it is encoded, and with
// the bytes after.
var spoilers = [...]func(*Source, *click.Click, []byte) []byte{
	func(_ *Source, c *click.Click, b []byte) []byte { // truncated
		if c != nil {
			return nil
		}
		return b[:len(b)*2/3]
	},
	func(_ *Source, c *click.Click, b []byte) []byte { // something follows
		return append(b, "!!"...)
	},
	func(_ *Source, c *click.Click, b []byte) []byte { // no page
		if c != nil {
			c.PageURL = ""
		}
		return b
	},
	func(_ *Source, c *click.Click, b []byte) []byte { // seconds in place of milliseconds
		if c != nil {
			c.Timestamp /= 1000
		}
		return b
	},
	func(_ *Source, c *click.Click, b []byte) []byte { // the far future
		if c != nil {
			c.Timestamp += (48 * time.Hour).Milliseconds()
		}
		return b
	},
	func(*Source, *click.Click, []byte) []byte { // a tombstone
		return nil
	},
	func(s *Source, c *click.Click, b []byte) []byte { // a schema that nobody registered, or no JSON
		if c == nil && s.settings.Format == "avro" {
			binary.BigEndian.PutUint32(b[1:], 1<<30)
			return b
		}
		return []byte("GET /")
	},
}

// Made returns how many records were made, and how many of them are no clicks.
func (s *Source) Made() (all, bad int64) { return s.made, int64(s.bad) }
