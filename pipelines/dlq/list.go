package dlq

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/pipelines/settings"
)

// Listing is dead letters, counted. A record that has several dead letters is counted once: a run that starts again
// rejects again what it reads again.
type Listing struct {
	DeadLetterTopic string     `json:"dead_letter_topic"`
	By              string     `json:"by"`
	Topic           string     `json:"topic,omitempty"`
	Lines           []Line     `json:"lines"`
	Total           Line       `json:"total"`
	Copies          int64      `json:"copies"` // dead letters of records that are counted already
	Foreign         Foreign    `json:"foreign"`
	Markers         int64      `json:"markers"` // what replays note of their progress
	Replays         *time.Time `json:"last_replay,omitempty"`
	Seconds         float64    `json:"seconds"`

	every time.Duration // of a line that is a time
}

// Line is the records of one reason, time or partition.
type Line struct {
	Reason    string     `json:"reason,omitempty"`
	Time      *time.Time `json:"time,omitempty"`
	Topic     string     `json:"topic,omitempty"` // of Partition
	Partition *int32     `json:"partition,omitempty"`

	Records   int64     `json:"records"`
	Share     float64   `json:"share"`    // of all lines
	Out       int64     `json:"out"`      // not replayed
	Replayed  int64     `json:"replayed"` // that it failed again is a line's of its own place
	Returned  int64     `json:"returned"` // of Records, those that had been replayed before
	First     time.Time `json:"first,omitzero"`
	Last      time.Time `json:"last,omitzero"`
	PerSecond float64   `json:"per_second"` // of a time: in it; else from one to the next, between first and last; 0 where there is but one
}

// key is what a line is for.
type key struct {
	word      string // a reason, or a topic
	partition int32
	at        int64 // seconds since the epoch
}

// lister counts dead letters.
type lister struct {
	*topic
	choice *choice
	by     string
	source bool
	every  int64 // seconds of a line that is a time
	fixed  bool  // every was said
	listed *Listing
	lines  map[key]*Line
	seen   map[string]places
}

// mostLines is how many lines of time are shown where nobody says how long they are to be.
const mostLines = 48

// mostNames is how many reasons, partitions and topics are told from each other: foreign records may name any number.
const mostNames = 1_000

// others is the line for what is beyond.
const others = "(others)"

// List counts dead letters. Its memory does not grow with them, but for the bits by which it knows a record again. The
// topic is read once, and once more where something was replayed: a marker stands behind what it is about.
func List(ctx context.Context, s *settings.DLQList, tell Tell) (*Listing, error) {
	begun := time.Now()
	t, err := open(ctx, s.Kafka.Connection(), s.Letters.DeadLetterTopic)
	if err != nil {
		return nil, err
	}
	defer t.close()
	l := &lister{topic: t, choice: choose(&s.Letters, s.Topic, settings.OffsetSpan{}), by: s.By, source: s.Letters.Source, every: max(1, int64(s.Every/time.Second)), fixed: s.Every > 0}
	replayed := progress{}
	if err := l.count(ctx, t.extent, replayed, true, tell); err != nil {
		return nil, err
	}
	first := l.listed
	if len(replayed) > 0 {
		part, err := t.part(ctx, s.Letters.Since.Time, nil)
		if err != nil {
			return nil, err
		}
		replayed.identify(ctx, t)
		if err := l.count(ctx, part, replayed, false, tell); err != nil {
			return nil, err
		}
		l.listed.Foreign, l.listed.Markers = first.Foreign, first.Markers
		for _, d := range replayed {
			if l.listed.Replays == nil || d.last.After(*l.listed.Replays) {
				at := d.last.UTC()
				l.listed.Replays = &at
			}
		}
	}
	l.listed.DeadLetterTopic, l.listed.By, l.listed.Topic = t.name, s.By, s.Topic
	l.conclude()
	l.listed.Seconds = time.Since(begun).Seconds()
	return l.listed, nil
}

// count counts what is meant of an extent. What was replayed is known, or found out.
func (l *lister) count(ctx context.Context, of kafka.Extent, replayed progress, find bool, tell Tell) error {
	l.listed, l.lines, l.seen = &Listing{Foreign: Foreign{First: []string{}}}, map[key]*Line{}, map[string]places{}
	markers := func(marker, *kgo.Record) error { return nil }
	if find {
		markers = func(m marker, rec *kgo.Record) error {
			l.listed.Markers++
			return replayed.add(m, rec.Timestamp)
		}
	}
	return l.scan(ctx, of, tell, func(x *letter) error {
		if l.choice.topic != "" && x.topic != l.choice.topic || !l.choice.has(x) {
			return nil
		}
		of := x.topic
		if !find && replayed.before(x) {
			of += " before"
		}
		seen := l.seen[of]
		if seen == nil && len(l.seen) < mostNames {
			seen = places{}
			l.seen[of] = seen
		}
		if seen != nil && !seen.add(x.source, x.of) {
			l.listed.Copies++
			return nil
		}
		l.take(x, !find && replayed.has(x))
		return nil
	}, markers, &l.listed.Foreign)
}

func (l *lister) take(x *letter, replayed bool) {
	var k key
	switch l.by {
	case "time":
		at := x.at.Unix()
		k.at = at - at%l.every
	case "partition":
		k.word, k.partition = l.name, x.partition
		if l.source {
			k.word, k.partition = x.topic, x.source
		}
	default:
		k.word = string(x.reason)
	}
	line := l.lines[k]
	if line == nil && l.by == "time" && !l.fixed && len(l.lines) >= 100*mostLines {
		l.widen()
		k.at -= k.at % l.every
		line = l.lines[k]
	}
	if line == nil && l.by != "time" && len(l.lines) >= mostNames {
		k = key{word: others, partition: -1}
		line = l.lines[k]
	}
	if line == nil {
		line = &Line{First: x.at, Last: x.at}
		l.lines[k] = line
	}
	line.Records++
	if replayed {
		line.Replayed++
	}
	if x.attempt > 0 {
		line.Returned++
	}
	if x.at.Before(line.First) {
		line.First = x.at
	}
	if x.at.After(line.Last) {
		line.Last = x.at
	}
}

// conclude sorts the lines and sums them up.
func (l *lister) conclude() {
	if l.by == "time" {
		for !l.fixed && len(l.lines) > mostLines && l.widen() {
		}
		l.listed.every = time.Duration(l.every) * time.Second
	}
	keys := slices.SortedFunc(maps.Keys(l.lines), func(a, b key) int {
		if l.by == "reason" {
			if c := cmp.Compare(l.lines[b].Records, l.lines[a].Records); c != 0 {
				return c
			}
		}
		return cmp.Or(cmp.Compare(a.word, b.word), cmp.Compare(a.partition, b.partition), cmp.Compare(a.at, b.at))
	})
	l.listed.Lines = []Line{}
	total := &l.listed.Total
	for _, k := range keys {
		total.join(l.lines[k])
	}
	total.conclude(total.Records, 0)
	for _, k := range keys {
		line := l.lines[k]
		switch l.by {
		case "time":
			at := time.Unix(k.at, 0).UTC()
			line.Time = &at
		case "partition":
			partition := k.partition
			line.Topic, line.Partition = k.word, &partition
		default:
			line.Reason = k.word
		}
		line.conclude(total.Records, l.listed.every)
		l.listed.Lines = append(l.listed.Lines, *line)
	}
}

// lengths are the seconds that a line may be for where nobody says so.
var lengths = []int64{1, 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600}

// widen makes lines of longer times of those that there are. It is false when there are no longer ones.
func (l *lister) widen() bool {
	i := slices.Index(lengths, l.every) + 1
	if i == len(lengths) {
		return false
	}
	joined := map[key]*Line{}
	l.every = lengths[i]
	for k, line := range l.lines {
		k.at -= k.at % l.every
		if joined[k] == nil {
			joined[k] = &Line{}
		}
		joined[k].join(line)
	}
	l.lines = joined
	return true
}

func (a *Line) join(b *Line) {
	if a.Records == 0 || b.First.Before(a.First) {
		a.First = b.First
	}
	if a.Records == 0 || b.Last.After(a.Last) {
		a.Last = b.Last
	}
	a.Records += b.Records
	a.Replayed += b.Replayed
	a.Returned += b.Returned
}

// conclude works out what follows from a line's counts. A line that is a time is for so long.
func (a *Line) conclude(all int64, every time.Duration) {
	a.Out = a.Records - a.Replayed
	if all > 0 {
		a.Share = float64(a.Records) / float64(all)
	}
	switch span := a.Last.Sub(a.First); {
	case every > 0:
		a.PerSecond = float64(a.Records) / every.Seconds()
	case span > 0:
		a.PerSecond = float64(a.Records-1) / span.Seconds()
	}
	a.First, a.Last = a.First.UTC(), a.Last.UTC()
}
