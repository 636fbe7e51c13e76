package settings

import "time"

// Audit is what the commands that hold a table against its topic can be told: what run was told, for the same
// things. The length of windows, the shards and where the table began are the table's to say.
//
//nolint:lll // a setting is one line, its help included
type Audit struct {
	Topic           string        `name:"topic" help:"Topic that the table was counted from." default:"events.clickstream.raw" group:"source"`
	Format          string        `name:"format" help:"How the records are written: ${enum}." enum:"avro,json" default:"avro" group:"source"`
	Registry        string        `name:"registry" help:"Schema registry (Confluent's API). Needed for avro." placeholder:"URL" group:"source"`
	ClockSkew       time.Duration `name:"clock-skew" help:"How far ahead of its record's time a click's may be." default:"5m" group:"time"`
	AllowedLateness time.Duration `name:"allowed-lateness" help:"How long after its end a window still takes clicks." default:"5m" group:"time"`
	Table           string        `name:"table" help:"Directory of the table, or s3://bucket/path or gs://bucket/path (${default})." default:"./silver/page_views_1min" placeholder:"WHERE" group:"table"`

	Kafka Kafka `embed:""`
}

// TableVerify is what the table verify command can be told.
//
//nolint:lll // a setting is one line, its help included
type TableVerify struct {
	Audit Audit `embed:""`

	DeadLetterTopic string        `name:"dead-letter-topic" help:"Topic of the records that could not be counted." default:"events.clickstream.dlq" group:"source"`
	Last            time.Duration `name:"last" help:"Only the windows of the last so much time; all without it." group:"table"`
	From            Moment        `name:"from" help:"First window, by its start, RFC 3339." placeholder:"TIME" group:"table"`
	To              Moment        `name:"to" help:"End of the windows, by their start, RFC 3339; not itself included." placeholder:"TIME" group:"table"`
	Output          string        `name:"output" short:"o" help:"How to print the report: ${enum}." enum:"text,json" default:"text" group:"table"`
	Limit           int           `name:"limit" help:"Show at most so many differences; 0 is all." default:"20" group:"table"`
}

// TableRebuild is what the table rebuild command can be told.
//
//nolint:lll // a setting is one line, its help included
type TableRebuild struct {
	Audit Audit `embed:""`

	From   Moment `name:"from" help:"Start of the first window, RFC 3339. Needed." placeholder:"TIME" group:"table"`
	To     Moment `name:"to" help:"End of the last window, RFC 3339. Needed." placeholder:"TIME" group:"table"`
	DryRun bool   `name:"dry-run" help:"Count, and tell what would change; change nothing." group:"table"`
	Output string `name:"output" short:"o" help:"How to print what was done: ${enum}." enum:"text,json" default:"text" group:"table"`
}

// audit checks what the commands share, but for the choices.
func (c *checks) audit(a *Audit) {
	c.kafka(a.Kafka)
	c.topic("topic", a.Topic)
	c.registry(a.Format, a.Registry)
	c.length("clock-skew", a.ClockSkew, 0, "")
	c.length("allowed-lateness", a.AllowedLateness, 0, "")
}

func (t *TableVerify) check(c *checks) {
	c.choices(t)
	c.audit(&t.Audit)
	c.topic("dead-letter-topic", t.DeadLetterTopic)
	if t.Audit.Table == "" {
		c.add(noTable)
	}
	c.length("last", t.Last, 0, "")
	if t.Last > 0 && (!t.From.IsZero() || !t.To.IsZero()) {
		c.add("--last %s is given with --from or --to; use one or the other", duration(t.Last))
	}
	c.span(t.From, t.To)
	if t.Limit < 0 {
		c.add("--limit is %d; it must not be negative; 0 is all", t.Limit)
	}
}

func (t *TableRebuild) check(c *checks) {
	c.choices(t)
	c.audit(&t.Audit)
	c.table(t.Audit.Table, "")
	if t.From.IsZero() {
		c.add("--from is missing; name the start of the first window, as 2026-01-31T08:00:00Z")
	}
	if t.To.IsZero() {
		c.add("--to is missing; name the end of the last window, as 2026-01-31T09:00:00Z")
	}
	c.span(t.From, t.To)
}

// span checks the two ends of a range of windows.
func (c *checks) span(from, to Moment) {
	c.time("from", from)
	c.time("to", to)
	if !from.Time.IsZero() && !to.Time.IsZero() && !from.Time.Before(to.Time) {
		c.add("--from %s is not before --to %s; no window is between them", from, to)
	}
}
