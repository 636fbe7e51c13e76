// Package eventtime tells stories of event time: scripts that say what is read when, where the watermark stands
// then, and what the table holds. They run on the pipeline's own watermark, decoder and count, and on Beam's
// windows, with the clock of the script.
//
// A script is lines. A # begins a comment. The settings come first, as «name value»: window, lateness, delay,
// idle, skew and shards as the flags of run, and partitions, of which each is read from its beginning.
//
//	at 12:00:05                 the wall clock, from here on
//	0: /a@12:00:01 /b@12:00:04  partition 0 brings these clicks: page@event time
//	0: 100*/a@12:00:01          a hundred of one kind
//	behind 1                    the broker holds records of partition 1 that do not arrive, or does not answer
//	reached 1                   the broker says again that nothing is left of it
//	end 1                       partition 1 is read to its end
//	watermark 11:59:54          a bundle ends, and reports this; - is none
//	table                       what the table holds then: the lines that follow, «window page views»
//	  12:00 /a 2
//	finally                     the same, when all has ended: then the watermark passes everything
//	rejected too_late 1         so many of the reason, since the script began
//
// Times without a date are of 2026-03-01, UTC; a date stands before as 2026-03-02T00:00:01.
package eventtime

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"clickstream/transforms/click"
)

// Script is a story that was read.
type Script struct {
	Window, Lateness, Delay, Idle, Skew time.Duration
	Shards, Partitions                  int
	Steps                               []Step
}

// Step is one thing that happens, or one that is to be seen. Exactly one of its parts is set.
type Step struct {
	Line      int
	At        *time.Time // the wall clock
	Read      *Read
	Behind    *int
	Reached   *int
	End       *int
	Watermark *time.Time // zero for none
	Table     []Row      // never nil where it is set
	Finally   []Row      // never nil where it is set
	Rejected  *Rejected
}

// Read is the clicks of a partition.
type Read struct {
	Partition int
	Clicks    []Click
}

// Click is N clicks of one page at one time.
type Click struct {
	N    int
	Page string
	Time time.Time
}

// Row is one that the table holds.
type Row struct {
	Window time.Time
	Page   string
	Views  int64
}

// Rejected is how many records were rejected for a reason.
type Rejected struct {
	Reason click.Reason
	N      int
}

// Parse reads a script. Errors name the line.
func Parse(r io.Reader) (*Script, error) {
	s := &Script{
		Window: time.Minute, Lateness: 5 * time.Minute, Delay: 10 * time.Second, Idle: 30 * time.Second, Skew: 5 * time.Minute,
		Shards: 1, Partitions: 1,
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	var table *[]Row // that the lines belong to
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if table != nil && strings.HasPrefix(text, " ") {
			row, err := parseRow(words)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			*table = append(*table, row)
			continue
		}
		step, err := s.parse(words)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		table = nil
		if step == nil {
			continue
		}
		step.Line = n
		s.Steps = append(s.Steps, *step)
		switch last := &s.Steps[len(s.Steps)-1]; {
		case step.Table != nil:
			table = &last.Table
		case step.Finally != nil:
			table = &last.Finally
		}
	}
	return s, lines.Err()
}

// parse reads a line. A setting is no step.
func (s *Script) parse(words []string) (*Step, error) {
	durations := map[string]*time.Duration{"window": &s.Window, "lateness": &s.Lateness, "delay": &s.Delay, "idle": &s.Idle, "skew": &s.Skew}
	numbers := map[string]*int{"shards": &s.Shards, "partitions": &s.Partitions}
	word, rest := words[0], words[1:]
	if strings.HasSuffix(word, ":") {
		return s.parseRead(strings.TrimSuffix(word, ":"), rest)
	}
	if word == "table" && len(rest) == 0 {
		return &Step{Table: []Row{}}, nil
	}
	if word == "finally" && len(rest) == 0 {
		return &Step{Finally: []Row{}}, nil
	}
	if word == "rejected" && len(rest) == 2 {
		n, err := strconv.Atoi(rest[1])
		return &Step{Rejected: &Rejected{click.Reason(rest[0]), n}}, err
	}
	if len(rest) != 1 {
		return nil, fmt.Errorf("%q is not understood", strings.Join(words, " "))
	}
	if d, ok := durations[word]; ok {
		var err error
		*d, err = time.ParseDuration(rest[0])
		return nil, err
	}
	if n, ok := numbers[word]; ok {
		var err error
		*n, err = strconv.Atoi(rest[0])
		return nil, err
	}
	switch word {
	case "at":
		t, err := parseTime(rest[0])
		return &Step{At: &t}, err
	case "watermark":
		if rest[0] == "-" {
			return &Step{Watermark: &time.Time{}}, nil
		}
		t, err := parseTime(rest[0])
		return &Step{Watermark: &t}, err
	}
	p, err := s.partition(rest[0])
	if err != nil {
		return nil, err
	}
	switch word {
	case "behind":
		return &Step{Behind: &p}, nil
	case "reached":
		return &Step{Reached: &p}, nil
	case "end":
		return &Step{End: &p}, nil
	}
	return nil, fmt.Errorf("%q is not understood", word)
}

func (s *Script) partition(word string) (int, error) {
	p, err := strconv.Atoi(word)
	if err == nil && (p < 0 || p >= s.Partitions) {
		err = fmt.Errorf("partition %d is not one of %d", p, s.Partitions)
	}
	return p, err
}

func (s *Script) parseRead(partition string, words []string) (*Step, error) {
	p, err := s.partition(partition)
	if err != nil {
		return nil, err
	}
	read := &Read{Partition: p}
	for _, w := range words {
		c := Click{N: 1}
		if times, rest, ok := strings.Cut(w, "*"); ok {
			if c.N, err = strconv.Atoi(times); err != nil {
				return nil, err
			}
			w = rest
		}
		page, at, ok := strings.Cut(w, "@")
		if !ok {
			return nil, fmt.Errorf("%q is not page@time", w)
		}
		c.Page = page
		if c.Time, err = parseTime(at); err != nil {
			return nil, err
		}
		read.Clicks = append(read.Clicks, c)
	}
	return &Step{Read: read}, nil
}

func parseRow(words []string) (Row, error) {
	if len(words) != 3 {
		return Row{}, fmt.Errorf("a row is «window page views», not %q", strings.Join(words, " "))
	}
	start, err := parseTime(words[0])
	if err != nil {
		return Row{}, err
	}
	n, err := strconv.ParseInt(words[2], 10, 64)
	return Row{start, words[1], n}, err
}

// parseTime reads 15:04, 15:04:05 or 15:04:05.999, of 2026-03-01 unless a date stands before.
func parseTime(text string) (time.Time, error) {
	full := text
	if !strings.Contains(text, "T") {
		full = "2026-03-01T" + text
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05.999"} {
		if t, err := time.Parse(layout, full); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: 15:04, 15:04:05, or with a date 2026-03-01T15:04:05", text)
}
