package delta_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/io/delta"
)

func TestStats(t *testing.T) {
	at := time.Date(2026, 11, 23, 3, 35, 0, 0, time.UTC)
	s := delta.NewStats(7).Integer("view_count", 1, 1<<62, 0).Text("page_url", "/a", "/z", 2).
		Time("window_start", at.Add(time.Microsecond), at.Add(time.Microsecond), 0)
	assert.JSONEq(t, `{"numRecords":7,"tightBounds":true,
		"minValues":{"view_count":1,"page_url":"/a","window_start":"2026-11-23T03:35:00.000Z"},
		"maxValues":{"view_count":4611686018427387904,"page_url":"/z","window_start":"2026-11-23T03:35:00.001Z"},
		"nullCount":{"view_count":0,"page_url":2,"window_start":0}}`, s.String())
}

func TestStatsOfLongTexts(t *testing.T) {
	long := strings.Repeat("é", 32)
	for text, want := range map[string]string{
		"":                         "",
		long:                       long,
		long + "a":                 long + "\x7f",
		long + "\x7f":              long + "\U0010ffff",
		long + "é":                 long + "\U0010ffff",
		long + "\U0010ffff" + "aa": long + "\U0010ffff\x7f",
		long + "\U0010ffff":        long + "\U0010ffff",
	} {
		least, greatest := bounds(t, text)
		assert.Equal(t, want, greatest, "%q", text)
		assert.Equal(t, string([]rune(text)[:min(32, utf8.RuneCountInString(text))]), least)
	}
	assert.JSONEq(t, `{"numRecords":1,"tightBounds":true,"minValues":{},"maxValues":{},"nullCount":{"c":0}}`,
		delta.NewStats(1).Text("c", "a", "\xff", 0).String(), "what is not UTF-8 has no bounds")
}

// TestStatsBound checks that no value lies outside of what the statistics say, by its bytes and by its time.
func TestStatsBound(t *testing.T) {
	character := rapid.SampledFrom([]rune{'a', 'b', 0x7e, 0x7f, 0x80, 'é', 0xffff, 0x10000, 0x10fffe, 0x10ffff})
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.OneOf(rapid.StringOfN(character, 28, 40, -1), rapid.String()).Draw(r, "text")
		least, greatest := bounds(r, text)
		require.LessOrEqual(r, least, text)
		require.GreaterOrEqual(r, greatest, text)
		require.True(r, utf8.ValidString(greatest))

		at := time.Unix(0, rapid.Int64Range(-1<<60, 1<<60).Draw(r, "time"))
		var s stats
		require.NoError(r, json.Unmarshal([]byte(delta.NewStats(1).Time("c", at, at, 0).String()), &s))
		from, err := time.Parse(time.RFC3339, s.MinValues["c"])
		require.NoError(r, err)
		to, err := time.Parse(time.RFC3339, s.MaxValues["c"])
		require.NoError(r, err)
		require.False(r, from.After(at) || to.Before(at), "%s is not in %s to %s", at, from, to)
		require.LessOrEqual(r, to.Sub(from), time.Millisecond)
	})
}

type stats struct{ MinValues, MaxValues map[string]string }

func bounds(t require.TestingT, text string) (least, greatest string) {
	var s stats
	require.NoError(t, json.Unmarshal([]byte(delta.NewStats(1).Text("c", text, text, 0).String()), &s))
	return s.MinValues["c"], s.MaxValues["c"]
}

func TestTimesOfFilesThatTellThem(t *testing.T) {
	at := time.Date(2026, 11, 23, 3, 35, 0, 0, time.UTC)
	told := delta.Add{Stats: delta.NewStats(1).Time("c", at, at.Add(time.Hour), 0).String()}
	least, greatest, ok := told.Times("c")
	require.True(t, ok)
	require.True(t, least.Equal(at) && greatest.Equal(at.Add(time.Hour)))
	for _, stats := range []string{
		"", "{}", `{"minValues":{"c":null},"maxValues":{"c":null}}`,
		`{"minValues":{"c":"2026-11-23T03:35:00Z"}}`, `{"minValues":{"c":"2026-11-23 03:35:00"},"maxValues":{"c":"2026-11-23 03:35:00"}}`,
	} {
		add := delta.Add{Stats: stats}
		_, _, ok := add.Times("c")
		require.False(t, ok, stats)
	}
}
