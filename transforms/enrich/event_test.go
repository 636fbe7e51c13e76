package enrich

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"clickstream/testing/oracle"
	"clickstream/transforms/click"
	"clickstream/transforms/decode"
)

func encoderOf(t require.TestingT, topic string) *encoder {
	e, err := newEncoder(topic, 7)
	require.NoError(t, err)
	return e
}

// drawEvent draws visits of any text, from long before 1970 to long after.
var drawEvent = rapid.Custom(func(t *rapid.T) click.Visit {
	v := drawVisit.Draw(t, "visit")
	v.Time = rapid.Int64Range(-1e14, 1e14).Draw(t, "at") // goavro reads years of four digits alone
	v.Timestamp = rapid.Int64Range(-1e14, 1e14).Draw(t, "recorded")
	v.Page = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"HTTPS://Shop.Example:443/a?b=2&a=1&utm_source=x&utm_term=%C3%BC#top", "/a", "no page", "https://BÜCHER.example/",
	})).Draw(t, "page")
	return v
})

// TestEvent has goavro read what is written: all of it, and nothing else.
func TestEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, found := drawEvent.Draw(t, "visit"), rapid.Bool().Draw(t, "found")
		e := encoderOf(t, "source")
		var r kgo.Record
		room, err := e.record(&r, []byte("before"), &v, found)
		require.NoError(t, err)
		assert.Equal(t, "before", string(room[:6]))
		assert.Equal(t, v.ID, string(r.Key))
		assert.Equal(t, v.Timestamp, r.Timestamp.UnixMilli())
		assert.Equal(t, []byte{0, 0, 0, 0, 7}, r.Value[:5])

		got, err := oracle.ReadEnriched(Schema, &r)
		require.NoError(t, err)
		page, at := ParsePage(v.Page), time.UnixMilli(v.Time).UTC()
		campaign := map[string]string{}
		for _, p := range page.Campaign {
			campaign[p.Name] = p.Value
		}
		assert.Equal(t, oracle.Enriched{
			EventID: v.ID, UserID: v.User, PageURL: page.URL, RawPage: v.Page, Host: page.Host, Path: page.Path,
			Timestamp: at, Recorded: time.UnixMilli(v.Timestamp).UTC(), Session: v.Session, Found: found && v.Session != "",
			Campaign: campaign, Date: time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC), Hour: at.Hour(),
			Topic: "source", Partition: v.Partition, Offset: v.Offset,
		}, got)
	})
}

// TestEventsAreTheSame has an encoder make the same bytes whatever it has made before.
func TestEventsAreTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		used := encoderOf(t, "source")
		for _, v := range rapid.SliceOfN(drawEvent, 1, 5).Draw(t, "visits") {
			found := rapid.Bool().Draw(t, "found")
			want, err := encoderOf(t, "source").append(nil, &v, found)
			require.NoError(t, err)
			for range 2 {
				got, err := used.append(nil, &v, found)
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
		}
	})
}

// TestDays has days and hours begin where they do, before 1970 too.
func TestDays(t *testing.T) {
	for text, want := range map[string]struct {
		date string
		hour int
	}{
		"2026-03-01T00:00:00Z":          {"2026-03-01", 0},
		"2026-02-28T23:59:59.999Z":      {"2026-02-28", 23},
		"2026-03-01T01:30:00+02:00":     {"2026-02-28", 23},
		"1970-01-01T00:00:00Z":          {"1970-01-01", 0},
		"1969-12-31T23:59:59.999Z":      {"1969-12-31", 23},
		"1969-12-31T00:00:00Z":          {"1969-12-31", 0},
		"1969-12-30T23:59:59.999Z":      {"1969-12-30", 23},
		"0001-01-01T00:00:00Z":          {"0001-01-01", 0},
		"2000-02-29T12:00:00.000+00:00": {"2000-02-29", 12},
	} {
		at, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		var r kgo.Record
		_, err = encoderOf(t, "t").record(&r, nil, &click.Visit{Page: "/", Time: at.UnixMilli()}, false)
		require.NoError(t, err)
		got, err := oracle.ReadEnriched(Schema, &r)
		require.NoError(t, err)
		assert.Equal(t, want.date, got.Date.Format(time.DateOnly), text)
		assert.Equal(t, want.hour, got.Hour, text)
	}
}

// TestRecordsOfABatch has records that share their memory not write over one another.
func TestRecordsOfABatch(t *testing.T) {
	e := encoderOf(t, "source")
	records := make([]kgo.Record, 50)
	var room []byte // which moves as it grows
	for i := range records {
		var err error
		room, err = e.record(&records[i], room, &click.Visit{Event: click.Event{ID: fmt.Sprint(i), Offset: int64(i)}, Page: "/" + strings.Repeat("x", i)}, false)
		require.NoError(t, err)
		assert.Equal(t, len(records[i].Value), cap(records[i].Value), "appending to one leaves the next alone")
	}
	for i := range records {
		got, err := oracle.ReadEnriched(Schema, &records[i])
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprint(i), got.EventID)
		assert.Equal(t, fmt.Sprint(i), string(records[i].Key))
		assert.EqualValues(t, i, got.Offset)
		assert.Len(t, got.Path, i+1)
	}
}

// TestRoomOfARecord has what a click is checked against, and what memory is asked for, be enough for what it becomes.
func TestRoomOfARecord(t *testing.T) {
	hosts := []string{"shop.example", "ÄÖÜ.example", strings.Repeat("\u0130", 100), strings.Repeat("\ufdfa", 300), strings.Repeat("\u33ff", 300), strings.Repeat("\u023a_", 80), strings.Repeat("字", 60)}
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string {
			return strings.Repeat(rapid.SampledFrom([]string{"x", "字", "&utm_a=", "%41"}).Draw(t, name), rapid.IntRange(0, 1000).Draw(t, name))
		}
		v := click.Visit{
			Event: click.Event{ID: text("id"), User: text("user"), Session: text("session"), Offset: 1 << 62, Timestamp: 1 << 42},
			Page:  rapid.SampledFrom([]string{"https://", "wss://a@", "/", ""}).Draw(t, "scheme") + rapid.SampledFrom(hosts).Draw(t, "host") + "/" + text("path") + "?" + text("query"),
			Time:  1 << 42, Partition: 1 << 30,
		}
		v.Page = v.Page[:min(len(v.Page), click.MaxPageURL)]
		var r kgo.Record
		_, err := encoderOf(t, strings.Repeat("t", 249)).record(&r, nil, &v, true)
		require.NoError(t, err)
		told := 2*len(v.ID) + len(v.User) + len(v.Session) + 4*len(v.Page) // see read.DecodeSettings
		assert.LessOrEqual(t, len(r.Key)+len(r.Value), told+4<<10)
		got, err := oracle.ReadEnriched(Schema, &r)
		require.NoError(t, err)
		assert.LessOrEqual(t, len(got.PageURL), click.MaxPageURL, "a run takes it")
	})
}

// one gives the same schema by any id.
type one string

func (o one) Schema(context.Context, int, time.Time) (string, error) { return string(o), nil }

// TestSchema has a run read from the enriched topic what it reads from any other.
func TestSchema(t *testing.T) {
	v := click.Visit{Event: click.Event{ID: "e", User: "u", Session: "s"}, Page: "HTTP://A/?b&a", Time: 1_700_000_000_000}
	value, err := encoderOf(t, "source").append(nil, &v, true)
	require.NoError(t, err)
	var c click.Click
	fault, err := decode.NewAvro(one(Schema)).Decode(t.Context(), value, 0, &c)
	require.NoError(t, err)
	require.Nil(t, fault)
	assert.Equal(t, click.Click{EventID: "e", UserID: "u", PageURL: "http://a/?a&b", Timestamp: 1_700_000_000_000, SessionID: "s"}, c)
}

// TestPagesRemembered bounds what is remembered of pages, by what it takes: many that are short, some with much to say.
func TestPagesRemembered(t *testing.T) {
	for name, page := range map[string]func(int) string{
		"short": func(i int) string { return fmt.Sprintf("/%d", i) },
		"campaigns": func(i int) string {
			return fmt.Sprintf("/%d?", i) + strings.Repeat("&", i%7) + strings.Join(slices.Collect(func(yield func(string) bool) {
				for n := 0; n < 400 && yield(fmt.Sprintf("utm_%d", n)); n++ {
				}
			}), "&")
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := encoderOf(t, "source")
			most, began := 0, false
			for i := 0; !began; i++ {
				before := len(e.pages)
				assert.Equal(t, ParsePage(page(i)), e.page(page(i)))
				began = len(e.pages) < before
				most = max(most, len(e.pages))
				require.LessOrEqual(t, e.bytes, maxPages)
			}
			assert.Greater(t, most, 1_000, "a site's pages are remembered")
			weighs := 0
			for url, p := range maps.All(e.pages) {
				weighs += len(url) + p.weight()
			}
			assert.Equal(t, weighs, e.bytes)
		})
	}
}

func BenchmarkEvent(b *testing.B) {
	e := encoderOf(b, "events.clickstream.raw")
	v := click.Visit{
		Event: click.Event{ID: "3f557394-4578-5bf9-b658-affa1edc3d8a", User: "user-123456", Session: "fb9e97d8-c5ef-587a-ac6c-e8a4b6027b0c", Offset: 1 << 30, Timestamp: 1 << 40},
		Page:  "https://shop.example/blog/1?utm_source=mail&utm_campaign=may&b=2&a=1", Time: 1 << 40,
	}
	var r kgo.Record
	var room []byte
	b.ReportAllocs()
	for b.Loop() {
		room, _ = e.record(&r, room[:0], &v, true)
	}
}
