package demo

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/transforms/click"
	"clickstream/transforms/progress"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file of testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), text)
}

var begin = time.Date(2026, 3, 1, 12, 0, 10, 0, time.UTC)

// early is a demo of which the table is empty yet.
func early() *snapshot {
	return &snapshot{
		Now: begin.Add(800 * time.Millisecond), Elapsed: 800 * time.Millisecond, Left: 29200 * time.Millisecond,
		Broker: "127.0.0.1:40001", Registry: "http://127.0.0.1:40002", Path: "./demo/page_views_1min", Window: time.Minute,
		Page: "http://127.0.0.1:8080",
	}
}

// later is a demo that has run for a while.
func later() *snapshot {
	s := early()
	s.Now, s.Elapsed, s.Left = begin.Add(83*time.Second), 83*time.Second, -1
	s.Progress = progress.Snapshot{
		Read: 191_503, Counted: 190_500, Lag: 12, Windows: 7, Watermark: s.Now.Add(-3200 * time.Millisecond),
		Rejected: map[click.Reason]int64{
			click.BadMagic: 140, click.UnknownSchema: 139, click.Avro: 141, click.TrailingBytes: 140,
			click.InvalidField: 280, click.FutureTimestamp: 140, click.TooLate: 23,
		},
	}
	s.Rate, s.First = 499.6, 1340*time.Millisecond
	s.Table = contents{Windows: 7, Rows: 6_871, Views: 171_113, To: time.Date(2026, 3, 1, 12, 1, 0, 0, time.UTC)}
	for i := range 7 {
		n := int64(29_700 + 100*(i%3))
		if i == 6 {
			n = 4_930
		}
		s.Table.Minutes = append(s.Table.Minutes, minute{s.Table.To.Add(-time.Duration(i+1) * time.Minute), n})
	}
	for i := range 40 {
		s.Table.Top = append(s.Table.Top, page{fmt.Sprintf("https://shop.example/products/%d", i*i), int64(26_000 / (i + 1))})
	}
	return s
}

// drawn returns a frame as text. Trailing spaces would not be seen.
func drawn(s *snapshot, width, height int) string {
	var b strings.Builder
	for _, l := range frame(s, width, height) {
		b.WriteString(strings.TrimRight(l.render(false), " ") + "\n")
	}
	return b.String()
}

func TestFrame(t *testing.T) {
	warned := later()
	warned.Warning = "the brokers are out of reach \x1b[2J"
	ended := later()
	ended.Left, ended.Page = 100*time.Millisecond, ""
	reading := early()
	reading.Progress.Read, reading.Rate = 120_000, 150_000
	for name, c := range map[string]struct {
		snapshot      *snapshot
		width, height int
	}{
		"empty-80x24":   {early(), 80, 24},
		"reading-80x24": {reading, 80, 24},
		"view-80x24":    {later(), 80, 24},
		"ends-80x24":    {ended, 80, 24},
		"warned-80x24":  {warned, 80, 24},
		"view-132x43":   {later(), 132, 43},
		"view-60x30":    {later(), 60, 30},
		"view-40x12":    {later(), 40, 12},
		"view-12x4":     {later(), 12, 4},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, drawn(c.snapshot, c.width, c.height)) })
	}
}

func TestFrameFitsAnyTerminal(t *testing.T) {
	odd := later()
	odd.Table.Top = []page{{"\x1b[31m\n\t" + strings.Repeat("é", 300), 1 << 60}, {"", 1}}
	odd.Table.Minutes = []minute{{begin, 1}}
	odd.Warning = strings.Repeat("w", 300)
	for what, s := range map[string]*snapshot{"early": early(), "later": later(), "odd": odd} {
		for width := 1; width < 150; width += 1 + width/20 {
			for height := 1; height < 60; height += 1 + height/20 {
				lines := frame(s, width, height)
				require.LessOrEqual(t, len(lines), height, "%s at %dx%d", what, width, height)
				for _, l := range lines {
					require.LessOrEqual(t, l.width(), width, "%s at %dx%d", what, width, height)
					require.NotContains(t, l.render(false), "\x1b", "%s at %dx%d", what, width, height)
					require.NotContains(t, l.render(false), "\n", "%s at %dx%d", what, width, height)
				}
			}
		}
	}
}

func TestFrameFillsTheTerminal(t *testing.T) {
	for height := 15; height < 40; height++ {
		lines := frame(later(), 80, height)
		assert.Contains(t, lines[len(lines)-1].render(false), "first rows after 1.3 s", "%d lines", height)
		assert.Len(t, lines, height)
	}
}

func TestColours(t *testing.T) {
	l := line{{"a", bold}, {"  ", accent}, {"b", plain}, {"c", notice}}
	assert.Equal(t, "\x1b[1ma\x1b[0m  b\x1b[33mc\x1b[0m", l.render(true))
	assert.Equal(t, "a  bc", l.render(false))
}
