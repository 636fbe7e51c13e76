package delta

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// prefixLength is how many characters of a text statistics keep, as Spark does.
const prefixLength = 32

// Stats are what is known of a file's rows, by which readers skip files. Of texts they keep a prefix, of times
// milliseconds: the least is rounded down then and the greatest up, for no row to lie outside.
type Stats struct {
	rows     int64
	min, max map[string]any
	nulls    map[string]int64
}

// NewStats returns the statistics of a file with that many rows, of no column yet.
func NewStats(rows int64) *Stats {
	return &Stats{rows: rows, min: map[string]any{}, max: map[string]any{}, nulls: map[string]int64{}}
}

// Integer sets the least and the greatest value of a column of whole numbers, and how many are null.
func (s *Stats) Integer(column string, least, greatest, nulls int64) *Stats {
	return s.set(column, least, greatest, nulls)
}

// Time sets the least and the greatest value of a timestamp column, and how many are null.
func (s *Stats) Time(column string, least, greatest time.Time, nulls int64) *Stats {
	const layout = "2006-01-02T15:04:05.000Z"
	// Formatting cuts off what is less than a millisecond, which is rounding down, before 1970 too.
	up := greatest.Add(time.Millisecond - time.Nanosecond)
	return s.set(column, least.UTC().Format(layout), up.UTC().Format(layout), nulls)
}

// Text sets the least and the greatest value of a column of strings, by their bytes, and how many are null. What
// is not UTF-8 has no place in JSON, and gets no statistics.
func (s *Stats) Text(column, least, greatest string, nulls int64) *Stats {
	if !utf8.ValidString(least) || !utf8.ValidString(greatest) {
		s.nulls[column] = nulls
		return s
	}
	return s.set(column, least[:prefix(least)], greatestPrefix(greatest), nulls)
}

func (s *Stats) set(column string, least, greatest any, nulls int64) *Stats {
	s.min[column], s.max[column], s.nulls[column] = least, greatest, nulls
	return s
}

// prefix returns how many bytes the first characters of s take.
func prefix(s string) int {
	n := 0
	for i := range s {
		if n == prefixLength {
			return i
		}
		n++
	}
	return len(s)
}

// greatestPrefix returns s, or where that is too long a text just as long as a prefix that no text which begins
// like s is greater than: the prefix with a character behind it that is greater than the one that followed, as
// in Spark's StatisticsCollection.truncateMaxStringAgg. DEL is the greatest of ASCII, U+10FFFF of all.
func greatestPrefix(s string) string {
	end := prefix(s)
	for end < len(s) {
		next, size := utf8.DecodeRuneInString(s[end:])
		switch {
		case next < 0x7f:
			return s[:end] + "\x7f"
		case next < utf8.MaxRune:
			return s[:end] + string(utf8.MaxRune)
		}
		end += size // there is none that is greater, so it is kept
	}
	return s
}

// String returns the statistics as an Add has them, JSON.
func (s *Stats) String() string {
	var b strings.Builder
	err := json.MarshalWrite(&b, struct {
		NumRecords  int64            `json:"numRecords"`
		TightBounds bool             `json:"tightBounds"`
		MinValues   map[string]any   `json:"minValues"`
		MaxValues   map[string]any   `json:"maxValues"`
		NullCount   map[string]int64 `json:"nullCount"`
	}{s.rows, true, s.min, s.max, s.nulls}, json.Deterministic(true))
	if err != nil {
		panic(fmt.Sprintf("statistics of valid texts and numbers are no JSON: %v", err)) // nothing can make it so
	}
	return b.String()
}

// Times returns the least and the greatest value of a timestamp column in the file, whoever wrote it. It is false
// where the statistics do not tell both. They may be rounded to milliseconds, the greatest down as well.
func (a *Add) Times(column string) (least, greatest time.Time, ok bool) {
	var stats struct {
		MinValues map[string]jsontext.Value `json:"minValues"`
		MaxValues map[string]jsontext.Value `json:"maxValues"`
	}
	if json.Unmarshal([]byte(a.Stats), &stats) != nil {
		return least, greatest, false
	}
	ok = json.Unmarshal(stats.MinValues[column], &least) == nil && json.Unmarshal(stats.MaxValues[column], &greatest) == nil
	return least, greatest, ok && !least.IsZero() && !greatest.IsZero() // which null makes of them
}
