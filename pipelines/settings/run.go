package settings

import (
	"net"
	"net/url"
	"strings"
	"time"
)

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
	r.checkKafkaIO(c)
	c.number("readers", r.Readers, 1, 1024, "")
	if r.Readers > 1 && (r.Runner == "prism" || r.Runner == "direct") {
		// On Prism the readers' watermarks overwrite one another: what a slow one reads would be too late.
		c.add("--readers is %d; --runner %s takes one, which reads every partition", r.Readers, r.Runner)
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
	case "dataflow":
		r.checkDataflow(c)
	case "flink", "spark":
		r.checkJobService(c)
	default:
		r.checkInProcess(c)
	}
	if r.Runner != "dataflow" {
		r.checkElsewhere(c)
	}
	c.number("parallelism", r.Parallelism, 0, 1<<15, "; 0 leaves it to the runner") // Flink's largest
	c.length("checkpoint-interval", r.CheckpointInterval, time.Second, ", for a checkpoint takes about that long")
	c.length("poll-interval", r.PollInterval, 0, "")
	if r.PollInterval > time.Minute {
		c.add("--poll-interval is %s; it must be at most 1m, as windows wait for it", duration(r.PollInterval))
	}
	if r.PollInterval > 0 && r.Runner != "flink" {
		c.add("--poll-interval %s is for --runner flink; leave it out", duration(r.PollInterval))
	}
	if r.MetricsListen != "" {
		c.address("metrics-listen", r.MetricsListen, true)
	}
}

// checkInProcess refuses what only means something to a distributed runner.
func (r *Run) checkInProcess(c *checks) {
	for flag, value := range map[string]string{
		"endpoint": r.Endpoint, "environment": r.Environment, "environment-config": r.EnvironmentConfig, "flink-rest": r.FlinkREST,
	} {
		if value != "" && (flag != "environment" || value != "loopback") {
			c.add("--%s %s is for distributed runners, and --runner is %s; name flink or spark, or leave it out", flag, value, r.Runner)
		}
	}
	if len(r.RunnerOptions) > 0 {
		c.add("--runner-option is for distributed runners, and --runner is %s; name flink or spark, or leave it out", r.Runner)
	}
	if r.Async {
		c.add("--async is for distributed runners: --runner %s runs in this process; leave it out", r.Runner)
	}
}

// checkJobService checks what a runner behind a job service needs.
func (r *Run) checkJobService(c *checks) {
	if r.Endpoint == "" {
		c.add("--endpoint is missing; --runner %s needs the address of its job service, as localhost:8099", r.Runner)
		return
	}
	c.address("endpoint", r.Endpoint, false)
	switch environment, here := r.EnvironmentName(), isLoopback(r.Endpoint); {
	case environment == "":
		c.add("--environment is missing; --endpoint %s is on another machine, so say where the workers are: external, process or docker", r.Endpoint)
	case environment == "loopback" && !here:
		c.add("--environment loopback has the workers in this process, which --endpoint %s on another machine does not reach; name external, process or docker", r.Endpoint)
	case environment == "loopback" && r.Async:
		c.add("--async ends this process, and --environment loopback has the workers in it; name external, process or docker")
	case environment == "docker" && r.EnvironmentConfig == "":
		c.add("--environment-config is missing; --environment docker needs the image, as registry.example/clickstream:1")
	}
	if r.Runner == "spark" && r.Until.Word == Never {
		c.add("--until is never; --runner spark counts what there is and ends, as its streaming of Go pipelines never would: name latest or a time, and run it again and again, each run goes on where the table is")
	}
	if u, err := url.Parse(r.FlinkREST); r.FlinkREST != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		c.add("--flink-rest is %q; write its URL, as http://localhost:8081", r.FlinkREST)
	}
	for _, option := range r.RunnerOptions {
		if name, _, ok := strings.Cut(option, "="); !ok || name == "" || strings.ContainsAny(name, ":- ") {
			c.add("--runner-option %q is no option and its value; write it as Beam does, as state_backend=rocksdb", option)
		}
	}
}

// EnvironmentName returns where the workers are, when it is said or follows from the endpoint; empty otherwise.
func (r *Run) EnvironmentName() string {
	if r.Environment == "" && isLoopback(r.Endpoint) {
		return "loopback"
	}
	return r.Environment
}

// isLoopback tells whether an address, host:port, is of this machine alone.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
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
}

func (k *Kafka) check(c *checks) {
	c.choices(k)
	c.kafka(*k)
}

func (o *Common) check(c *checks) {
	c.choices(o)
}
