package generate

import (
	"encoding/binary"
	"encoding/json"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/transforms/click"
	"clickstream/transforms/decode"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func settingsOf(format string) Settings {
	return Settings{Format: format, SchemaID: 7, Seed: 3, Pages: 50, Users: 10, Zipf: 1.2, Jitter: 2 * time.Second}
}

func take(t *testing.T, s Settings, n int) []*kgo.Record {
	t.Helper()
	src, err := New(s)
	require.NoError(t, err)
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i], err = src.Next(noon.Add(time.Duration(i) * time.Millisecond))
		require.NoError(t, err)
	}
	return records
}

func TestTheSameSeedGivesTheSameClicks(t *testing.T) {
	for _, format := range []string{"avro", "json"} {
		s := settingsOf(format)
		s.BadFraction, s.LateFraction = 0.2, 0.1
		first := take(t, s, 500)
		assert.Equal(t, first, take(t, s, 500))
		other := s
		other.Seed++
		assert.NotEqual(t, take(t, s, 500), take(t, other, 500))
	}
}

func TestAvroClicksAreThoseOfTheSchema(t *testing.T) {
	codec, err := goavro.NewCodec(click.Schema)
	require.NoError(t, err)
	sessions := 0
	for _, r := range take(t, settingsOf("avro"), 200) {
		require.Equal(t, byte(0), r.Value[0])
		require.EqualValues(t, 7, binary.BigEndian.Uint32(r.Value[1:]))
		native, rest, err := codec.NativeFromBinary(r.Value[5:])
		require.NoError(t, err)
		require.Empty(t, rest)
		event := native.(map[string]any)
		assert.Equal(t, string(r.Key), event["user_id"])
		at := event["timestamp"].(time.Time).UnixMilli()
		assert.LessOrEqual(t, at, r.Timestamp.UnixMilli())
		assert.Greater(t, at, r.Timestamp.Add(-2*time.Second).UnixMilli())
		if event["session_id"] != nil {
			sessions++
		}
	}
	assert.Greater(t, sessions, 100)
	assert.Less(t, sessions, 200, "some have none")
}

// TestFractions finds about as many bad and late records as were asked for, by the pipeline's own rules.
func TestFractions(t *testing.T) {
	s := settingsOf("json")
	s.BadFraction, s.LateFraction = 0.3, 0.2
	decoder := decode.NewJSON()
	var bad, late int
	for _, r := range take(t, s, 5000) {
		var c click.Click
		fault, err := decoder.Decode(t.Context(), r.Value, r.Timestamp.UnixMilli(), &c)
		require.NoError(t, err)
		if fault == nil {
			fault = c.Check(r.Timestamp.Add(5 * time.Minute).UnixMilli())
		}
		switch {
		case fault != nil:
			bad++
		case c.Timestamp < r.Timestamp.Add(-30*time.Minute).UnixMilli():
			late++
		}
	}
	assert.InDelta(t, 1500, bad, 150)
	assert.InDelta(t, 700, late, 100, "of those that are not bad")
}

func TestSourceSaysHowManyAreBad(t *testing.T) {
	s := settingsOf("json")
	s.BadFraction = 1
	src, err := New(s)
	require.NoError(t, err)
	for range 14 {
		_, err := src.Next(noon)
		require.NoError(t, err)
	}
	all, bad := src.Made()
	assert.EqualValues(t, 14, all)
	assert.EqualValues(t, 14, bad)
}

func TestPopularityFollowsZipf(t *testing.T) {
	count := func(s Settings) map[string]int {
		views := map[string]int{}
		for _, r := range take(t, s, 3000) {
			var e struct {
				Page string `json:"page_url"`
			}
			require.NoError(t, json.Unmarshal(r.Value, &e))
			views[e.Page]++
		}
		return views
	}
	s := settingsOf("json")
	assert.Greater(t, count(s)["https://shop.example/"], 500)
	s.Zipf = 0
	assert.Less(t, count(s)["https://shop.example/"], 120)
}

func TestNewRefuses(t *testing.T) {
	for want, change := range map[string]func(*Settings){
		`format "xml"`:  func(s *Settings) { s.Format = "xml" },
		"0 pages":       func(s *Settings) { s.Pages = 0 },
		"0 users":       func(s *Settings) { s.Users = 0 },
		"exponent of 1": func(s *Settings) { s.Zipf = 1 },
	} {
		s := settingsOf("json")
		change(&s)
		_, err := New(s)
		assert.ErrorContains(t, err, want)
	}
}

func TestScheduleTimes(t *testing.T) {
	spread := Schedule{Count: 4, From: noon, Span: time.Minute}
	assert.Equal(t, noon, spread.time(0, noon))
	assert.Equal(t, noon.Add(45*time.Second), spread.time(3, noon))
	spread.From = time.Time{}
	assert.Equal(t, noon.Add(-15*time.Second), spread.time(3, noon), "it ends when it is written")
	assert.WithinDuration(t, time.Now(), Schedule{}.time(9, noon), time.Minute)
	began := time.Now()
	assert.WithinDuration(t, noon, Schedule{From: noon}.time(9, began), time.Minute)
}
