package settings

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"clickstream/io/yamlfile"
	"clickstream/transforms/click"
)

// Letters says which dead letters are meant. Without anything it is all of them.
//
//nolint:lll // a setting is one line, its help included
type Letters struct {
	DeadLetterTopic string   `name:"dead-letter-topic" help:"Topic of the records that could not be counted." default:"events.clickstream.dlq" group:"source"`
	Reason          []string `name:"reason" help:"Only these reasons, separated by commas: see dlq.reason in the README." placeholder:"REASON" group:"letters"`
	Since           Moment   `name:"since" help:"Only what became a dead letter at this time or later, RFC 3339." placeholder:"TIME" group:"letters"`
	Until           Moment   `name:"until" help:"Only what became a dead letter before this time, RFC 3339." placeholder:"TIME" group:"letters"`
	Partition       *int32   `name:"partition" help:"Only this partition of the dead letter topic." placeholder:"N" group:"letters"`
	Source          bool     `name:"source" help:"Partitions and offsets are those of the topic that the records came from, not of the dead letter topic." group:"letters"`
}

// DLQList is what the dlq list command can be told.
//
//nolint:lll // a setting is one line, its help included
type DLQList struct {
	Letters Letters `embed:""`

	Topic  string        `name:"topic" help:"Only records that came from this topic; all without it." placeholder:"TOPIC" group:"source"`
	By     string        `name:"by" help:"What a line is for: ${enum}." enum:"reason,time,partition" default:"reason" group:"letters"`
	Every  time.Duration `name:"every" help:"How much time a line of --by time is for; 0 fits it to the dead letters." default:"0" group:"letters"`
	Output string        `name:"output" short:"o" help:"How to print the lines: ${enum}." enum:"table,csv,json" default:"table" group:"letters"`

	Kafka Kafka `embed:""`
}

// DLQShow is what the dlq show command can be told.
//
//nolint:lll // a setting is one line, its help included
type DLQShow struct {
	Place Place `arg:"" help:"Partition and offset of the dead letter; with --source, of the record." placeholder:"PARTITION:OFFSET"`

	DeadLetterTopic string `name:"dead-letter-topic" help:"Topic of the records that could not be counted." default:"events.clickstream.dlq" group:"source"`
	Topic           string `name:"topic" help:"With --source, the topic that the record came from; any without it." placeholder:"TOPIC" group:"source"`
	Source          bool   `name:"source" help:"The partition and the offset are those of the topic that the record came from." group:"letters"`
	Registry        string `name:"registry" help:"Schema registry (Confluent's API), to decode by the schema that the record names." placeholder:"URL" group:"source"`
	Bytes           int    `name:"bytes" help:"Show at most so many bytes of key and value; 0 is all." default:"512" group:"letters"`
	Output          string `name:"output" short:"o" help:"How to print it: ${enum}." enum:"text,json" default:"text" group:"letters"`

	Kafka Kafka `embed:""`
}

// DLQReplay is what the dlq replay command can be told.
//
//nolint:lll // a setting is one line, its help included
type DLQReplay struct {
	Audit   Audit   `embed:""`
	Letters Letters `embed:""`

	Offsets     OffsetSpan `name:"offsets" help:"Only these offsets of --partition, the last one included." placeholder:"FROM-TO" group:"letters"`
	MaxAttempts int        `name:"max-attempts" help:"Leave records alone that were replayed so often." default:"3" group:"letters"`
	Rate        float64    `name:"rate" help:"At most so many records a second; 0 is as fast as possible." default:"0" group:"letters"`
	DryRun      bool       `name:"dry-run" help:"Count, and tell what would be done; change nothing." group:"letters"`
	Rebuild     bool       `name:"rebuild" help:"Then count the closed windows anew that replayed clicks fall into. Needs --table, and --registry for avro." group:"table"`
	Output      string     `name:"output" short:"o" help:"How to print what was done: ${enum}." enum:"text,json" default:"text" group:"letters"`
}

// Place is an offset of a partition, written as 3:1042.
type Place struct {
	Partition int32
	Offset    int64
}

// UnmarshalText reads what String writes.
func (p *Place) UnmarshalText(text []byte) error {
	partition, offset, _ := strings.Cut(string(text), ":")
	n, err := strconv.ParseInt(partition, 10, 32)
	o, err2 := strconv.ParseInt(offset, 10, 64)
	if err != nil || err2 != nil || n < 0 || o < 0 {
		return fmt.Errorf("%q is no place in a topic; write it as PARTITION:OFFSET, as 3:1042", text)
	}
	*p = Place{int32(n), o}
	return nil
}

func (p Place) String() string { return fmt.Sprintf("%d:%d", p.Partition, p.Offset) }

// OffsetSpan is a span of offsets, written as 100-199, both of them included. The zero OffsetSpan was not given.
type OffsetSpan struct {
	From, To int64
	Given    bool
}

// UnmarshalText reads what String writes, or a single offset.
func (s *OffsetSpan) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = OffsetSpan{}
		return nil
	}
	from, to, both := strings.Cut(string(text), "-")
	if !both {
		to = from
	}
	a, err := strconv.ParseInt(from, 10, 64)
	b, err2 := strconv.ParseInt(to, 10, 64)
	if err != nil || err2 != nil || a < 0 || b < a {
		return fmt.Errorf("%q is no span of offsets; write it as FROM-TO, as 100-199", text)
	}
	*s = OffsetSpan{a, b, true}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (s OffsetSpan) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s OffsetSpan) String() string {
	if !s.Given {
		return ""
	}
	return fmt.Sprintf("%d-%d", s.From, s.To)
}

func (c *checks) letters(l *Letters) {
	c.topic("dead-letter-topic", l.DeadLetterTopic)
	var known []string
	for _, r := range click.Reasons {
		known = append(known, string(r))
	}
	for _, r := range l.Reason {
		if !slices.Contains(known, r) {
			c.add("--reason is %q; it must be of %s%s", r, strings.Join(known, ", "), yamlfile.Suggestion(r, known))
		}
	}
	c.time("since", l.Since)
	c.time("until", l.Until)
	if !l.Since.Time.IsZero() && !l.Until.Time.IsZero() && !l.Since.Time.Before(l.Until.Time) {
		c.add("--since %s is not before --until %s; nothing is between them", l.Since, l.Until)
	}
	if l.Partition != nil && *l.Partition < 0 {
		c.add("--partition is %d; it must not be negative", *l.Partition)
	}
}

func (l *DLQList) check(c *checks) {
	c.choices(l)
	c.kafka(l.Kafka)
	c.letters(&l.Letters)
	if l.Topic != "" {
		c.topic("topic", l.Topic)
	}
	switch {
	case l.Every < 0, l.Every > 0 && l.Every < time.Second:
		c.add("--every is %s; it must be at least 1s, or 0 for what fits", duration(l.Every))
	case l.Every%time.Second != 0:
		c.add("--every is %s; it must be whole seconds", duration(l.Every))
	case l.Every > 0 && l.By != "time":
		c.add("--every %s is for --by time, and --by is %s; leave it out", duration(l.Every), l.By)
	}
}

func (s *DLQShow) check(c *checks) {
	c.choices(s)
	c.kafka(s.Kafka)
	c.topic("dead-letter-topic", s.DeadLetterTopic)
	if s.Topic != "" {
		c.topic("topic", s.Topic)
	}
	c.registry("", s.Registry)
	if s.Bytes < 0 {
		c.add("--bytes is %d; it must not be negative; 0 is all", s.Bytes)
	}
}

func (r *DLQReplay) check(c *checks) {
	c.choices(r)
	c.letters(&r.Letters)
	if r.Rebuild {
		c.audit(&r.Audit)
		c.table(r.Audit.Table, "")
	} else {
		c.kafka(r.Audit.Kafka)
		c.topic("topic", r.Audit.Topic)
	}
	if r.Audit.Topic == r.Letters.DeadLetterTopic {
		c.add("--topic is --dead-letter-topic, %s: records are not replayed into the dead letter topic; name the topic that they came from", r.Audit.Topic)
	}
	if r.Offsets.Given && r.Letters.Partition == nil {
		c.add("--offsets %s is given without --partition; every partition has offsets of its own, so name one", r.Offsets)
	}
	if r.MaxAttempts < 1 {
		c.add("--max-attempts is %d; it must be at least 1", r.MaxAttempts)
	}
	if !(r.Rate >= 0 && r.Rate <= 1e9) {
		c.add("--rate is %v; it must be from 0, as fast as possible, to 1e9", r.Rate)
	}
}
