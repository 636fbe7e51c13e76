package settings

import (
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// Resolved is a setting as a command gets it.
type Resolved struct {
	Setting string `json:"setting"`
	Value   string `json:"value"`  // with the credentials of URLs hidden
	Origin  string `json:"origin"` // see Sources.Origin
}

// Resolved returns the settings of the command that ctx has parsed, but for those that tell how the command
// itself prints.
func (s *Sources) Resolved(ctx *kong.Context) []Resolved {
	var rows []Resolved
	for _, level := range ctx.Selected().AllFlags(true) {
		for _, f := range level {
			if f.Name == "help" || f.Name == "output" || f.Name == configFlag {
				continue
			}
			rows = append(rows, Resolved{f.Name, Redact(text(ctx.FlagValue(f))), s.Origin(f, ctx)})
		}
	}
	return rows
}

// text writes a value as a flag takes it.
func text(v any) string {
	switch v := v.(type) {
	case []string:
		return strings.Join(v, ",")
	case time.Duration:
		return duration(v)
	}
	return fmt.Sprint(v)
}

// duration writes 5m for 5m0s.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
