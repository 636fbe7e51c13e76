package settings

import "time"

func (r *Run) check(c *checks) {
	c.choices(r)
	c.kafka(r.Kafka)
	r.checkSource(c)
	r.checkTime(c)
	r.checkTable(c)
	r.checkRunner(c)
}

func (r *Run) checkSource(c *checks) {
	c.topic("topic", r.Topic)
	c.topic("dead-letter-topic", r.DeadLetterTopic)
	if r.Topic == r.DeadLetterTopic {
		c.add("--dead-letter-topic is --topic, %s: its rejects would be read again without end; name another", r.Topic)
	}
	if r.Group == "" {
		c.add("--group is empty; name the consumer group whose offsets are committed")
	}
	c.registry(r.Format, r.Registry)
	if w := r.Start.Word; w != "" && w != Latest && w != Earliest || r.Start.IsZero() {
		c.add("--start is %q; it must be latest, earliest or a time as 2026-01-31T08:00:00Z", w)
	}
	if w := r.Until.Word; w != "" && w != Latest && w != Never || r.Until.IsZero() {
		c.add("--until is %q; it must be never, latest or a time as 2026-01-31T08:00:00Z", w)
	}
	if !r.Start.Time.IsZero() && !r.Until.Time.IsZero() && !r.Start.Time.Before(r.Until.Time) {
		c.add("--start %s is not before --until %s; nothing would be read", r.Start, r.Until)
	}
	if r.Source == "kafkaio" {
		c.add("--source kafkaio is not available yet; use --source native")
	}
	c.number("readers", r.Readers, 1, 1024, "")
	if r.Readers > 1 && (r.Runner == "prism" || r.Runner == "direct") {
		// On Prism the readers' watermarks overwrite one another: what a slow one reads would be too late.
		c.add("--readers is %d; --runner %s takes one, which reads every partition", r.Readers, r.Runner)
	}
}

func (r *Run) checkTime(c *checks) {
	switch {
	case r.Window < time.Second:
		c.add("--window is %s; it must be at least 1s", duration(r.Window))
	case r.Window%time.Second != 0: // the names of the table's files carry windows in seconds
		c.add("--window is %s; it must be whole seconds", duration(r.Window))
	}
	c.length("allowed-lateness", r.AllowedLateness, 0, "")
	c.length("watermark-delay", r.WatermarkDelay, 0, "")
	c.length("idle-timeout", r.IdleTimeout, time.Second, ", as a partition is silent that long between two fetches")
	c.length("clock-skew", r.ClockSkew, 0, "")
}

func (r *Run) checkTable(c *checks) {
	c.table(r.Table, r.TableFormat)
	c.number("shards", r.Shards, 1, 1024, ", as every window has a file per shard")
}

func (r *Run) checkRunner(c *checks) {
	switch r.Runner {
	case "flink", "spark", "dataflow":
		c.add("--runner %s is not available yet; use --runner prism", r.Runner)
	}
	if r.Environment == "external" || r.Environment == "process" || r.Environment == "docker" {
		c.add("--environment %s is for distributed runners, which are not available yet; leave it out", r.Environment)
	}
	if r.Endpoint != "" {
		c.add("--endpoint %s is for distributed runners, which are not available yet; leave it out", r.Endpoint)
	}
	c.number("parallelism", r.Parallelism, 0, 1<<15, "; 0 leaves it to the runner") // Flink's largest
	c.length("checkpoint-interval", r.CheckpointInterval, time.Second, ", for a checkpoint takes about that long")
	if r.MetricsListen != "" {
		c.address("metrics-listen", r.MetricsListen, true)
	}
}

func (g *Generate) check(c *checks) {
	c.choices(g)
	c.kafka(g.Kafka)
	c.topic("topic", g.Topic)
	c.registry(g.Format, g.Registry)
	if !(g.Rate >= 0 && g.Rate <= 1e9) {
		c.add("--rate is %v; it must be from 0, as fast as possible, to 1e9", g.Rate)
	}
	if g.Count < 0 {
		c.add("--count is %d; it must not be negative; 0 goes on until it is stopped", g.Count)
	}
	c.time("from", g.From)
	c.length("span", g.Span, 0, "")
	if g.Span > 0 && g.Count == 0 {
		c.add("--span %s needs --count, the clicks to spread over it", duration(g.Span))
	}
	c.number("pages", g.Pages, 1, 1e9, "")
	if !(g.Zipf == 0 || g.Zipf > 1 && g.Zipf <= 100) {
		c.add("--zipf is %v; it must be above 1, or 0 for pages that are all alike", g.Zipf)
	}
	c.fraction("bad-fraction", g.BadFraction)
	c.fraction("late-fraction", g.LateFraction)
	if sum := g.BadFraction + g.LateFraction; sum > 1 && g.BadFraction <= 1 && g.LateFraction <= 1 {
		c.add("--bad-fraction and --late-fraction are %v together; they must not exceed 1", sum)
	}
}

func (t *TableShow) check(c *checks) {
	c.choices(t)
	if t.Table == "" {
		c.add(noTable)
	}
	c.span(t.From, t.To)
	c.time("timestamp", t.Timestamp)
	if t.Version != nil && !t.Timestamp.IsZero() {
		c.add("--version %d and --timestamp %s are both given; name one of them", *t.Version, t.Timestamp)
	}
	if t.Version != nil && *t.Version < 0 {
		c.add("--version is %d; versions begin at 0", *t.Version)
	}
	if t.Limit < 0 {
		c.add("--limit is %d; it must not be negative; 0 is all", t.Limit)
	}
}

func (t *TableCompact) check(c *checks) {
	c.choices(t)
	if t.Table == "" {
		c.add(noTable)
	}
	c.span(t.From, t.To)
	c.length("allowed-lateness", t.AllowedLateness, 0, "")
}

func (t *TableVacuum) check(c *checks) {
	c.choices(t)
	if t.Table == "" {
		c.add(noTable)
	}
	c.length("retain", t.Retain, 0, "")
}

func (d *Demo) check(c *checks) {
	c.choices(d)
	c.length("for", d.For, 0, "")
	c.table(d.Table, "parquet")
	if !(d.Rate > 0 && d.Rate <= 1e6) {
		c.add("--rate is %v; it must be above 0, and at most 1e6", d.Rate)
	}
}

func (k *Kafka) check(c *checks) {
	c.choices(k)
	c.kafka(*k)
}

func (o *Common) check(c *checks) {
	c.choices(o)
}
