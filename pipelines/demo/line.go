package demo

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"clickstream/transforms/progress"
)

// paint is how a text looks, as the parameter of the terminal's SGR sequence (ECMA-48); none for plain.
type paint string

const (
	plain  paint = ""
	bold   paint = "1"
	dim    paint = "2"
	accent paint = "36" // cyan
	notice paint = "33" // yellow
	alarm  paint = "31" // red
)

type text struct {
	string
	paint paint
}

// line is a line of a frame.
type line []text

// render returns l for a terminal, with its paints if colours are wanted.
func (l line) render(colours bool) string {
	var b strings.Builder
	for _, t := range l {
		if colours && t.paint != plain && strings.TrimSpace(t.string) != "" {
			fmt.Fprintf(&b, "\x1b[%sm%s\x1b[0m", t.paint, t.string)
			continue
		}
		b.WriteString(t.string)
	}
	return b.String()
}

func (l line) width() int {
	n := 0
	for _, t := range l {
		n += runes(t.string)
	}
	return n
}

// fit cuts l to a width. What was cut ends in an ellipsis.
func (l line) fit(width int) line {
	if l.width() <= width {
		return l
	}
	var cut line
	for _, t := range l {
		if n := runes(t.string); n < width {
			cut = append(cut, t)
			width -= n
			continue
		}
		return append(cut, text{string([]rune(t.string)[:width-1]) + "…", t.paint})
	}
	return cut
}

// fill brings l to a width.
func (l line) fill(width int) line {
	l = l.fit(width)
	return append(slices.Clone(l), text{strings.Repeat(" ", width-l.width()), plain})
}

// apart puts a to the left and b to the right. Where there is no room for both, a is cut.
func apart(a, b line, width int) line {
	return append(a.fill(max(1, width-b.width()-1)), append(line{{" ", plain}}, b...)...)
}

// blank brings lines to n, with empty ones.
func blank(lines []line, n int) []line {
	n = max(n, 0)
	for len(lines) < n {
		lines = append(lines, nil)
	}
	return lines[:n]
}

func runes(s string) int { return utf8.RuneCountInString(s) }

// pad fills s up to a width.
func pad(s string, width int) string { return s + strings.Repeat(" ", max(0, width-runes(s))) }

// figure puts s to the right of its column.
func figure(s string) string { return strings.Repeat(" ", max(0, countColumn-runes(s))) + s }

// middle cuts s in its middle to a width: pages differ at their ends.
func middle(s string, width int) string {
	r := []rune(s)
	if len(r) <= width || width < 3 {
		return string(r[:min(len(r), max(0, width))])
	}
	head := (width - 1) / 2
	return string(r[:head]) + "…" + string(r[len(r)-(width-1-head):])
}

// printable returns s without what would move the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '�'
	}, s)
}

var eighths = []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// bar returns a bar of n parts of most, which has the whole width. Anything but nothing is seen.
func bar(n, most int64, width int) string {
	if n <= 0 || most <= 0 || width <= 0 {
		return ""
	}
	parts := max(1, int(float64(n)/float64(most)*float64(width)*8+0.5))
	parts = min(parts, width*8)
	return strings.Repeat("█", parts/8) + eighths[parts%8]
}

// number writes n with its thousands apart.
func number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// windows writes how many windows there are.
func windows(n int) string {
	if n == 1 {
		return "1 window"
	}
	return number(int64(n)) + " windows"
}

// span writes a duration by its whole seconds.
func span(d time.Duration) string {
	seconds := int(d.Seconds())
	switch {
	case seconds < 60:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%d min %02d s", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d h %02d min", seconds/3600, seconds/60%60)
}

// sum returns how many records were rejected.
func sum(p *progress.Snapshot) (n int64) {
	for n2 := range maps.Values(p.Rejected) {
		n += n2
	}
	return n
}
