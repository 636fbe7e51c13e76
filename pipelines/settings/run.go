package settings

import (
	"strings"
	"time"
)

func (r *Run) check(c *checks) {
	c.choices(r)
	r.checkInput(c)
	c.group(r.Group)
	c.start(r.Start, r.Until)
	r.checkKafkaIO(c)
	r.checkTime(c)
	r.checkTable(c)
	r.checkJob(c, &r.Input)
	if r.Runner == "dataflow" && !strings.HasPrefix(r.Table, "gs://") && !strings.HasPrefix(r.Table, "s3://") {
		c.add("--table %s is on this machine, which Dataflow's workers do not see; name gs://bucket/path or s3://bucket/path", r.Table)
	}
}

// checkKafkaIO checks what reading by Java's KafkaIO needs. It has no end that fits: a number of records it spreads over
// the partitions alike, and a time fails where no record follows it.
func (r *Run) checkKafkaIO(c *checks) {
	if r.Source != "kafkaio" {
		if r.ExpansionService != "" {
			c.add("--expansion-service %s is for --source kafkaio, and --source is %s; name kafkaio, or leave it out", r.ExpansionService, r.Source)
		}
		return
	}
	if r.ExpansionService == "" {
		c.add("--expansion-service is missing; --source kafkaio needs the address of one that knows Java's KafkaIO, as localhost:8097")
	} else {
		c.address("expansion-service", r.ExpansionService, true)
	}
	if r.Runner != "flink" {
		c.add("--source kafkaio is for --runner flink, and --runner is %s; name flink, or use --source native", r.Runner)
	}
	if r.PollInterval > 0 {
		c.add("--poll-interval %s is for --source native; leave it out", duration(r.PollInterval))
	}
	if r.Until.Word != Never {
		c.add("--until is %s; --source kafkaio reads on without end: leave --until out, or use --source native", r.Until)
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
}

// maxTop is the most pages that --top takes: past it a window has as good as all of them.
const maxTop = 1_000_000

func (r *Run) checkTable(c *checks) {
	c.table(r.Table, r.TableFormat)
	c.number("shards", r.Shards, 1, 1024, ", as every window has a file per shard")
	c.number("top", r.Top, 0, maxTop, " pages; 0 keeps all")
	if r.Dedupe != "" && r.Shards > 1 {
		c.add("--dedupe %s looks for an event among all pages of a window, and --shards %d spreads them over files; use --shards 1, or leave --dedupe out", r.Dedupe, r.Shards)
	}
	if r.Top > 0 && r.Shards > 1 {
		c.add("--top %d is of all pages of a window, and --shards %d spreads them over files; use --shards 1, or leave --top out", r.Top, r.Shards)
	}
}

func (w *Worker) check(c *checks) {
	c.address("listen", w.Listen, true)
	if !isLoopback(w.Listen) {
		c.add("--listen is %q; workers are only to be had from the machine that they run on: name localhost and a port", w.Listen)
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
	if !t.DryRun && !t.Force && t.Retain >= 0 && t.Retain < time.Hour {
		c.add("--retain is %s; a run may still commit what it has written within an hour: keep 1h, or add --force while nothing writes to the table", duration(t.Retain))
	}
}

func (d *Demo) check(c *checks) {
	c.choices(d)
	c.length("for", d.For, 0, "")
	c.table(d.Table, "parquet")
	if !(d.Rate > 0 && d.Rate <= 1e6) {
		c.add("--rate is %v; it must be above 0, and at most 1e6", d.Rate)
	}
	if d.Listen != "" {
		c.address("listen", d.Listen, true)
	}
}

func (k *Kafka) check(c *checks) {
	c.choices(k)
	c.kafka(*k)
}

func (o *Common) check(c *checks) {
	c.choices(o)
}
