package settings

import (
	"fmt"
	"strings"
	"time"

	"clickstream/io/yamlfile"
)

// The words that a Moment can be.
const (
	Earliest = "earliest"
	Latest   = "latest"
	Never    = "never"
)

// Moment is a word or a time. The zero Moment is neither: it was not given.
type Moment struct {
	Word string
	Time time.Time
}

// IsZero tells whether m was not given.
func (m Moment) IsZero() bool { return m == Moment{} }

// UnmarshalText reads one of the words, or an RFC 3339 time.
func (m *Moment) UnmarshalText(text []byte) error {
	switch s := string(text); s {
	case "", Earliest, Latest, Never:
		*m = Moment{Word: s}
	default:
		t, err := time.Parse(time.RFC3339, strings.ToUpper(s))
		if err != nil {
			near := yamlfile.Suggestion(s, []string{Earliest, Latest, Never})
			return fmt.Errorf("%q is no time; write it as 2026-01-31T08:00:00Z, or use a word that --help names%s", s, near)
		}
		*m = Moment{Time: t}
	}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (m Moment) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

func (m Moment) String() string {
	if m.Word != "" || m.Time.IsZero() {
		return m.Word
	}
	return m.Time.Format(time.RFC3339Nano)
}
