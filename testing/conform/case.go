package main

import (
	"bufio"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"clickstream/transforms/click"
)

// golden is a golden input that was read: what the topic holds, and when it is read. Its text is lines. A # begins a
// comment. The settings come first, as «name value»: window, lateness, delay, idle, skew and shards as the flags of
// run, format as avro or json, and partitions.
//
//	0: /a@12:00:01 /b@12:00:04    partition 0 gets these clicks: page@event time
//	0: 100*/a@12:00:01            a hundred of one kind
//	0: 100*/p#@12:00:00..12:00:59 a hundred, spread evenly over that time and over twenty pages, /p0 to /p19
//	0: too_late:/a@12:00:01       a click that is to be a dead letter, of that reason
//	0: trailing_bytes tombstone   records that are no clicks, see kinds
//	at 12:07:00                   the time that the records bear from here on; before, it is their partition's
//	                              largest event time so far
//	schema 2                      what the clicks are written with from here on, see schemas
//	read                          a run reads the topic to its end
//	follow                        a run goes on until the table holds all that there is, and is stopped
//
// Times without a date are of 2024-05-01, UTC; a date stands before as 2024-05-02T00:00:01.
type golden struct {
	name                                string
	about                               string // the first paragraph of its comments
	format                              string
	window, lateness, delay, idle, skew time.Duration
	shards, partitions                  int
	steps                               []step
}

// step is a run, and what is written before it.
type step struct {
	records []record
	follow  bool
}

// record is one of the topic's.
type record struct {
	partition int32
	time      time.Time // the record's own
	schema    int
	kind      string // of what is no click; empty for one that is
	page      string
	at        time.Time    // event time
	reason    click.Reason // of the dead letter that it is to be; empty where it is to be counted
}

//go:embed testdata/*.golden
var goldens embed.FS

// load reads the cases of those names, or all.
func load(names []string) ([]*golden, error) {
	paths, err := fs.Glob(goldens, "testdata/*.golden")
	if err != nil {
		return nil, err
	}
	var all []*golden
	var known []string
	for _, path := range paths {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".golden")
		known = append(known, name)
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		text, err := goldens.ReadFile(path)
		if err != nil {
			return nil, err
		}
		g, err := parse(name, strings.NewReader(string(text)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, g)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no case %q: name some of %s", name, strings.Join(known, ", "))
		}
	}
	return all, nil
}

// parser is where a text has come to.
type parser struct {
	*golden
	at     time.Time
	schema int
	latest map[int32]time.Time // event time of each partition
	step   step
}

// parse reads a case. Errors name the line.
func parse(name string, r io.Reader) (*golden, error) {
	p := parser{golden: &golden{
		name: name, format: "avro", window: time.Minute, lateness: 5 * time.Minute, delay: 10 * time.Second,
		idle: 30 * time.Second, skew: 5 * time.Minute, shards: 1, partitions: 3,
	}, schema: 1, latest: map[int32]time.Time{}}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text, comment, _ := strings.Cut(lines.Text(), "# ")
		words := strings.Fields(text)
		if len(words) == 0 {
			if comment != "" && len(p.steps) == 0 && len(p.step.records) == 0 {
				p.about = strings.TrimSpace(p.about + " " + comment)
			}
			continue
		}
		if err := p.line(words); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(p.step.records) > 0 || len(p.steps) == 0 {
		return nil, fmt.Errorf("it ends, and nobody has read what was written: end it by read or follow")
	}
	return p.golden, nil
}

func (p *parser) line(words []string) (err error) {
	word, rest := words[0], words[1:]
	switch {
	case strings.HasSuffix(word, ":"):
		return p.write(strings.TrimSuffix(word, ":"), rest)
	case len(rest) == 0 && (word == "read" || word == "follow"):
		p.step.follow = word == "follow"
		p.steps, p.step = append(p.steps, p.step), step{}
		return nil
	case len(rest) != 1:
		return fmt.Errorf("%q is not understood", strings.Join(words, " "))
	}
	lengths := map[string]*time.Duration{"window": &p.window, "lateness": &p.lateness, "delay": &p.delay, "idle": &p.idle, "skew": &p.skew}
	numbers := map[string]*int{"shards": &p.shards, "partitions": &p.partitions, "schema": &p.schema}
	switch {
	case lengths[word] != nil:
		*lengths[word], err = time.ParseDuration(rest[0])
	case numbers[word] != nil:
		*numbers[word], err = strconv.Atoi(rest[0])
	case word == "format" && (rest[0] == "avro" || rest[0] == "json"):
		p.format = rest[0]
	case word == "at":
		p.at, err = parseTime(rest[0])
	default:
		err = fmt.Errorf("%q is not understood", strings.Join(words, " "))
	}
	if err == nil && (p.schema < 1 || p.schema > len(schemas)) {
		err = fmt.Errorf("schema %d is not one of %d", p.schema, len(schemas))
	}
	return err
}

func (p *parser) write(partition string, words []string) error {
	n, err := strconv.Atoi(partition)
	if err != nil || n < 0 || n >= p.partitions {
		return fmt.Errorf("partition %q is not one of %d", partition, p.partitions)
	}
	for _, w := range words {
		if err := p.word(int32(n), w); err != nil {
			return err
		}
	}
	return nil
}

// word adds the records that a word stands for: [N*][reason:]page@time[..time], or [N*]kind.
func (p *parser) word(partition int32, w string) (err error) {
	times := 1
	if n, rest, ok := strings.Cut(w, "*"); ok {
		if times, err = strconv.Atoi(n); err != nil {
			return err
		}
		w = rest
	}
	r := record{partition: partition, schema: p.schema}
	page, span, isClick := strings.Cut(w, "@")
	if !isClick {
		reason, ok := kinds[w]
		if !ok {
			return fmt.Errorf("%q is neither page@time nor one of the kinds of record that are no clicks", w)
		}
		if w == "tombstone" && p.format == "json" {
			reason = click.JSON
		}
		r.kind, r.reason, r.at = w, reason, p.latest[partition]
		return p.add(r, times)
	}
	if reason, rest, ok := strings.Cut(page, ":"); ok {
		r.reason, page = click.Reason(reason), rest
		if !slices.Contains(click.Reasons, r.reason) {
			return fmt.Errorf("%q is none of the reasons of a dead letter", reason)
		}
	}
	from, to, _ := strings.Cut(span, "..")
	begin, err := parseTime(from)
	if err != nil {
		return err
	}
	end := begin
	if to != "" {
		if end, err = parseTime(to); err != nil {
			return err
		}
	}
	for i := range times {
		r.at = begin
		if times > 1 {
			r.at = begin.Add(end.Sub(begin) * time.Duration(i) / time.Duration(times-1)).Truncate(time.Millisecond)
		}
		r.page = strings.ReplaceAll(page, "#", strconv.Itoa(i%20))
		if err := p.add(r, 1); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) add(r record, times int) error {
	if r.kind == "" && r.reason != click.FutureTimestamp && r.at.After(p.latest[r.partition]) {
		p.latest[r.partition] = r.at
	}
	if r.time = p.at; r.time.IsZero() {
		r.time = p.latest[r.partition]
	}
	if r.time.IsZero() {
		return fmt.Errorf("a record's time is not known: say it by at")
	}
	p.step.records = append(p.step.records, slices.Repeat([]record{r}, times)...)
	return nil
}

// parseTime reads 15:04, 15:04:05 or 15:04:05.999, of 2024-05-01 unless a date stands before. It lies in the past, as
// brokers refuse records of the future.
func parseTime(text string) (time.Time, error) {
	full := text
	if !strings.Contains(text, "T") {
		full = "2024-05-01T" + text
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05.999"} {
		if t, err := time.Parse(layout, full); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: 15:04, 15:04:05, or with a date 2024-05-01T15:04:05", text)
}
