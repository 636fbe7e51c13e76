package demo

import (
	"fmt"
	"strings"
	"time"

	"clickstream/transforms/click"
)

// plainLine is what a line tells where there is no live view.
type plainLine int

const (
	nothing plainLine = iota
	begins            // the demo begins
	goes              // it goes on
	closes            // windows have closed and are in the table
)

// text returns the line of s.
func (l plainLine) text(s *snapshot) string {
	at := fmt.Sprintf("%5.1f s  ", s.Elapsed.Seconds())
	switch l {
	case begins:
		first := at + source(s) + " in " + s.Path + "\n"
		if s.Page != "" {
			first += at + "see it at " + s.Page + "\n"
		}
		return first
	case closes:
		top := make([]string, 0, 3)
		for _, p := range s.Table.Top[:min(3, len(s.Table.Top))] {
			top = append(top, printable(p.URL)+" "+number(p.Views))
		}
		from, to := s.Table.topSpan()
		return at + fmt.Sprintf("written up to %s UTC: %s, %s rows, %s views; top pages %s–%s: %s\n",
			hour(s.Table.To), windows(s.Table.Windows), number(s.Table.Rows), number(s.Table.Views),
			hour(from), hour(to), strings.Join(top, ", "))
	}
	return at + fmt.Sprintf("%s events/s · %s read · lag %s · watermark %s · %s written · dead letters %s\n",
		number(int64(s.Rate+0.5)), number(s.Progress.Read), number(s.Progress.Lag), watermark(s),
		windows(s.Table.Windows), reasons(s))
}

func watermark(s *snapshot) string {
	if s.Progress.Watermark.IsZero() {
		return "none"
	}
	return s.Progress.Watermark.UTC().Format("15:04:05") + " UTC"
}

// reasons returns the dead letters by reason, as «12 (avro 10, too_late 2)».
func reasons(s *snapshot) string {
	var parts []string
	for _, r := range click.Reasons {
		if n := s.Progress.Rejected[r]; n > 0 {
			parts = append(parts, string(r)+" "+number(n))
		}
	}
	if len(parts) == 0 {
		return "0"
	}
	return number(sum(&s.Progress)) + " (" + strings.Join(parts, ", ") + ")"
}

// message and attributes return the line for a structured log.
func (l plainLine) message() string {
	return [...]string{begins: "the demo begins", goes: "progress", closes: "windows are in the table"}[l]
}

func (l plainLine) attributes(s *snapshot) []any {
	switch l {
	case begins:
		return []any{"broker", s.Broker, "registry", s.Registry, "table", s.Path, "page", s.Page}
	case closes:
		return []any{"windows", s.Table.Windows, "rows", s.Table.Rows, "views", s.Table.Views, "up_to", s.Table.To.UTC().Format(time.RFC3339)}
	}
	return []any{"events_per_s", int64(s.Rate + 0.5), "read", s.Progress.Read, "counted", s.Progress.Counted, "lag", s.Progress.Lag,
		"watermark", watermark(s), "windows", s.Table.Windows, "rejected", reasons(s)}
}
