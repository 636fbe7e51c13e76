package settings

import (
	"net/url"
	"time"
)

// Listen is how metrics are served, wherever that is.
//
//nolint:lll // a setting is one line, its help included
type Listen struct {
	TLSCert   string `name:"listen-tls-cert" help:"PEM file of the certificate by which metrics are served over TLS; it is read again as it changes." placeholder:"FILE" group:"metrics"`
	TLSKey    string `name:"listen-tls-key" help:"PEM file of that certificate's key." placeholder:"FILE" group:"metrics"`
	TokenFile string `name:"listen-token-file" help:"File of a token that who asks for metrics has to bear; browsers may give it as the password of any user. It is read again as it changes." placeholder:"FILE" group:"metrics"`
	PProf     bool   `name:"pprof" help:"Serve Go's profiles, too, at /debug/pprof/." group:"metrics"`
}

// Monitor is what the monitor command can be told: what the pipeline was told, for the same things.
//
//nolint:lll // a setting is one line, its help included
type Monitor struct {
	Topic           string        `name:"topic" help:"Topic that the pipeline reads." default:"events.clickstream.raw" group:"source"`
	Group           string        `name:"group" help:"Consumer group of the pipeline." default:"clickstream-aggregator" group:"source"`
	DeadLetterTopic string        `name:"dead-letter-topic" help:"Topic of the records that could not be counted." default:"events.clickstream.dlq" group:"source"`
	Table           string        `name:"table" help:"Directory of the table, or s3://bucket/path or gs://bucket/path; empty where the pipeline has none, as enrich (${default})." default:"./silver/page_views_1min" placeholder:"WHERE" group:"table"`
	AllowedLateness time.Duration `name:"allowed-lateness" help:"How long after its end a window still takes clicks: files of such are not to be merged yet." default:"5m" group:"time"`
	FlinkREST       string        `name:"flink-rest" help:"Flink's own interface, as http://localhost:8081, to ask about checkpoints; leave it out on other runners." placeholder:"URL" group:"runner"`
	FlinkJob        string        `name:"flink-job" help:"How the name of Flink's job begins." default:"clickstream-pageviews" placeholder:"NAME" group:"runner"`

	Listen   string        `name:"listen" help:"Address to serve at. Other machines reach it only where it names an address of theirs, or none, as :8080 (${default})." default:"127.0.0.1:8080" placeholder:"HOST:PORT" group:"metrics"`
	Serve    Listen        `embed:""`
	Interval time.Duration `name:"interval" help:"What passes between two looks at Kafka and the table." default:"5s" group:"metrics"`
	Once     bool          `name:"once" help:"Look once, print the metrics, and end; with exit code 1 where something could not be looked at." group:"metrics"`

	Kafka Kafka `embed:""`
}

func (m *Monitor) check(c *checks) {
	c.kafka(m.Kafka)
	c.topic("topic", m.Topic)
	c.topic("dead-letter-topic", m.DeadLetterTopic)
	if m.Topic == m.DeadLetterTopic {
		c.add("--dead-letter-topic is --topic, %s; name another", m.Topic)
	}
	c.group(m.Group)
	c.length("allowed-lateness", m.AllowedLateness, 0, "")
	c.flinkREST(m.FlinkREST)
	c.address("listen", m.Listen, true)
	c.listen(&m.Serve)
	c.profiles("listen", m.Listen, &m.Serve)
	c.length("interval", m.Interval, time.Second, ", as each look takes the brokers some work")
}

// profiles checks that they are served to none but who may have them: they cost, and tell of memory.
func (c *checks) profiles(flag, address string, l *Listen) {
	if l.PProf && l.TokenFile == "" && !isLoopback(address) {
		c.add("--pprof serves profiles to whoever reaches --%s %s; add --listen-token-file, or name an address of this machine alone, as 127.0.0.1:8080", flag, address)
	}
}

// listen checks how metrics are served.
func (c *checks) listen(l *Listen) {
	c.certificate("listen-", l.TLSCert, l.TLSKey)
	c.file("listen-token-file", l.TokenFile)
}

func (c *checks) flinkREST(rest string) {
	if u, err := url.Parse(rest); rest != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		c.add("--flink-rest is %q; write its URL, as http://localhost:8081", rest)
	}
}
