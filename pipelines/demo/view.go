package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"clickstream/transforms/click"
)

// The least that the parts of a frame need.
const (
	roomySource   = 26 // lines of a terminal where the source has a line of its own
	leastBottom   = 7  // rows of the lower block: a row for each reason for a reject that the demo has
	mostBottom    = 12
	leastTop      = 3 // rows of the upper block, beside a lower one
	mostTop       = 25
	sideBySide    = 64 // columns where minutes and rejects stand side by side
	between       = 3  // columns between them
	countColumn   = 10
	mostPageShare = 0.45 // of the width for pages; bars have the rest
)

// frame lays s out in at most so many lines of so many columns.
func frame(s *snapshot, width, height int) []line {
	inner := max(1, width-2)
	var head, foot []line
	head = append(head, header(s, inner))
	if height >= roomySource {
		head = append(head, line{{source(s), dim}})
	}
	head = append(head, nil)
	head = append(head, metrics(s, inner)...)
	head = append(head, nil)
	foot = append(foot, nil)
	if s.Warning != "" {
		foot = append(foot, line{{"! " + printable(s.Warning), alarm}})
	}
	foot = append(foot, footer(s))

	rows := height - len(head) - len(foot) - 1
	body := upper(s, inner, min(rows, mostTop))
	if n := min(mostBottom, max(leastBottom, min(rows/3, 1+len(s.Table.Minutes)))); rows-n-2 >= leastTop {
		body = upper(s, inner, min(rows-n-2, mostTop))
		body = append(body, nil)
		body = append(body, lower(s, inner, n)...)
	}
	if rows < 1 {
		body, foot = nil, nil
	}
	var lines []line
	for _, l := range slices.Concat(head, body, foot) {
		if len(lines) < height {
			lines = append(lines, append(line{{" ", plain}}, l...).fit(max(1, width-1)))
		}
	}
	return lines
}

func header(s *snapshot, width int) line {
	clock := span(s.Elapsed)
	switch {
	case s.Left >= 0:
		clock += " · ends in " + span(s.Left+time.Second-1)
	case width >= sideBySide:
		clock += " · Ctrl-C ends it"
	}
	what := "page views per " + per(s.Window)
	if s.Page != "" {
		what = "see " + s.Page
	}
	return apart(line{{"clickstream demo", bold}, {"  " + what, dim}}, line{{clock, plain}}, width)
}

func source(s *snapshot) string {
	return fmt.Sprintf("Kafka %s and registry %s, in this process → Beam on Prism → Parquet", s.Broker, strings.TrimPrefix(s.Registry, "http://"))
}

// metrics are the figures, each below its name.
func metrics(s *snapshot, width int) []line {
	p := &s.Progress
	watermark, behindBy := "none yet", ""
	if !p.Watermark.IsZero() {
		watermark = p.Watermark.UTC().Format("15:04:05")
		if behind := s.behind(); behind >= 0 {
			behindBy = fmt.Sprintf(" (−%.1f s)", behind.Seconds())
		}
	}
	of := ""
	if rejected := sum(p); p.Read > 0 && rejected > 0 {
		of = fmt.Sprintf(" (%.1f %%)", 100*float64(rejected)/float64(p.Read))
	}
	cells := []struct {
		name, value, more string
		width             int // what it may need
	}{
		{"EVENTS/S", number(int64(s.Rate + 0.5)), "", 8},
		{"EVENTS READ", number(p.Read), "", 11},
		{"LAG", number(p.Lag), "", 6},
		{"WATERMARK UTC", watermark, behindBy, 18},
		{"DEAD LETTERS", number(sum(p)), of, 15},
	}
	needed := func() (n int) {
		for _, c := range cells {
			n += c.width
		}
		return n
	}
	if needed()+len(cells) > width { // the table says it too
		cells = slices.Delete(cells, 1, 2)
	}
	gap := min(14, max(1, (width-needed())/(len(cells)-1)))
	var names, values line
	for i, c := range cells {
		paint := bold
		if c.name == "DEAD LETTERS" && sum(p) > 0 {
			paint = notice
		}
		names = append(names, text{pad(c.name, c.width), dim})
		values = append(values, text{c.value, paint}, text{pad(c.more, c.width-runes(c.value)), dim})
		if i < len(cells)-1 {
			names = append(names, text{strings.Repeat(" ", gap), plain})
			values = append(values, text{strings.Repeat(" ", gap), plain})
		}
	}
	return []line{names, values}
}

// upper is the top pages, with so many rows below its title.
func upper(s *snapshot, width, rows int) []line {
	if len(s.Table.Top) == 0 {
		awaited := "Writing the clicks of the last minutes …"
		if s.Progress.Read > 0 {
			awaited = "Read " + number(s.Progress.Read) + " clicks; the first minutes are about to be written …"
		}
		return blank([]line{{{"TOP PAGES", bold}}, {{awaited, dim}}}, rows+1)
	}
	from, to := s.Table.topSpan()
	title := line{{"TOP PAGES", bold}, {fmt.Sprintf("  %s–%s UTC, read from the table", hour(from), hour(to)), dim}}
	lines := []line{apart(title, line{{"views", dim}}, width)}

	top := s.Table.Top[:max(0, min(rows, len(s.Table.Top)))]
	longest := 0
	for _, p := range top {
		longest = max(longest, runes(printable(p.URL)))
	}
	name := min(longest, int(float64(width)*mostPageShare))
	bars := width - 4 - name - 1 - countColumn
	for i, p := range top {
		lines = append(lines, line{
			{fmt.Sprintf("%2d  ", i+1), dim},
			{pad(middle(printable(p.URL), name), name) + " ", plain},
			{pad(bar(p.Views, top[0].Views, bars), bars), accent},
			{figure(number(p.Views)), plain},
		})
	}
	return blank(lines, rows+1)
}

// lower is the views of each minute and the dead letters, side by side where there is room, with so many rows
// below their titles.
func lower(s *snapshot, width, rows int) []line {
	if width < sideBySide {
		return minutes(s, width, rows)
	}
	half := (width - between) / 2
	a, b := minutes(s, half, rows), rejects(s, width-between-half, rows)
	lines := make([]line, rows+1)
	for i := range lines {
		lines[i] = append(a[i].fill(half), text{strings.Repeat(" ", between), plain})
		lines[i] = append(lines[i], b[i]...)
	}
	return lines
}

// minutes is the views of each window, the one that is still open first.
func minutes(s *snapshot, width, rows int) []line {
	lines := []line{apart(line{{"VIEWS PER " + strings.ToUpper(per(s.Window)), bold}}, line{{"views", dim}}, width)}
	bars := max(1, width-6-countColumn)
	at := s.Progress.Watermark
	if open := at.Truncate(s.Window); !at.IsZero() && !open.Before(s.Table.To) {
		passed := int(float64(bars) * float64(at.Sub(open)) / float64(s.Window))
		lines = append(lines, line{
			{hour(open) + " ", dim},
			{pad(strings.Repeat("░", passed), bars), dim},
			{figure(span(open.Add(s.Window).Sub(at)+time.Second-1) + " left"), dim},
		})
	}
	shown := s.Table.Minutes[:max(0, min(rows+1-len(lines), len(s.Table.Minutes)))]
	most := int64(1)
	for _, m := range shown {
		most = max(most, m.Views)
	}
	for _, m := range shown {
		lines = append(lines, line{
			{hour(m.Start) + " ", plain},
			{pad(bar(m.Views, most, bars), bars), accent},
			{figure(number(m.Views)), plain},
		})
	}
	return blank(lines, rows+1)
}

// rejects is the dead letters of each reason, in the order of the path that a record takes.
func rejects(s *snapshot, width, rows int) []line {
	lines := []line{apart(line{{"DEAD LETTERS", bold}}, line{{"records", dim}}, width)}
	name := 0
	most := int64(1)
	var found []click.Reason
	for _, r := range click.Reasons {
		if n := s.Progress.Rejected[r]; n > 0 {
			found = append(found, r)
			name, most = max(name, len(r)), max(most, n)
		}
	}
	if len(found) == 0 {
		lines = append(lines, line{{"none", dim}})
	}
	bars := max(1, width-name-1-countColumn)
	for _, r := range found[:min(rows, len(found))] {
		n := s.Progress.Rejected[r]
		lines = append(lines, line{
			{pad(string(r), name) + " ", plain},
			{pad(bar(n, most, bars), bars), notice},
			{figure(number(n)), plain},
		})
	}
	return blank(lines, rows+1)
}

func footer(s *snapshot) line {
	if s.Table.Windows == 0 {
		return line{{"table " + s.Path + " is empty yet", dim}}
	}
	return line{
		{"table ", dim}, {s.Path, plain},
		{fmt.Sprintf("  %s, %s rows; first rows after %.1f s", windows(s.Table.Windows), number(s.Table.Rows), s.First.Seconds()), dim},
	}
}

func hour(t time.Time) string { return t.UTC().Format("15:04") }

// per names a window's length, as in «views per minute».
func per(window time.Duration) string {
	if window == time.Minute {
		return "minute"
	}
	return window.String()
}
