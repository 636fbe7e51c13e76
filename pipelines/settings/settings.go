// Package settings holds what the commands can be told: structs with defaults that kong reads from flags,
// CLICKSTREAM_* environment variables and a YAML file, in this order, and the checks of their values.
package settings

import (
	"strings"
	"time"

	"clickstream/io/kafka"
)

// Common is what every command can be told.
type Common struct {
	Config    string `name:"config" help:"YAML file of settings; its keys are the flags' names." placeholder:"FILE" group:"common"`
	Quiet     bool   `name:"quiet" short:"q" help:"No progress, only warnings and errors." group:"common"`
	LogFormat string `name:"log-format" help:"Format of the log on stderr: ${enum}." enum:"text,json" default:"text" group:"common"`
	LogLevel  string `name:"log-level" help:"Least level that is logged: ${enum}." enum:"debug,info,warn,error" default:"info" group:"common"`
}

// Kafka is how the cluster is reached.
//
//nolint:lll // a setting is one line, its help included
type Kafka struct {
	Brokers          []string      `name:"brokers" help:"Kafka brokers to start from, host:port, separated by commas (${default})." default:"localhost:9092" placeholder:"HOST:PORT" group:"kafka"`
	TLS              bool          `name:"tls" help:"Use TLS, trusting the system's authorities. Naming one of the files below means it as well." group:"kafka"`
	TLSCA            string        `name:"tls-ca" help:"PEM file of the authorities to trust." placeholder:"FILE" group:"kafka"`
	TLSCert          string        `name:"tls-cert" help:"PEM file of the client's certificate." placeholder:"FILE" group:"kafka"`
	TLSKey           string        `name:"tls-key" help:"PEM file of the client's key." placeholder:"FILE" group:"kafka"`
	SASLMechanism    string        `name:"sasl-mechanism" help:"PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER." enum:",PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER" default:"" placeholder:"NAME" group:"kafka"`
	SASLUser         string        `name:"sasl-user" help:"User to log in as." placeholder:"NAME" group:"kafka"`
	SASLPasswordFile string        `name:"sasl-password-file" help:"File of the password, or of the token with OAUTHBEARER." placeholder:"FILE" group:"kafka"`
	RetryTimeout     time.Duration `name:"retry-timeout" help:"How long Kafka may be out of reach before giving up." default:"30s" group:"kafka"`
}

// Connection returns the settings as io/kafka takes them.
func (k Kafka) Connection() kafka.Connection {
	return kafka.Connection{
		Brokers: k.Brokers, TLS: k.TLS, TLSCA: k.TLSCA, TLSCert: k.TLSCert, TLSKey: k.TLSKey,
		SASLMechanism: k.SASLMechanism, SASLUser: k.SASLUser, SASLPasswordFile: k.SASLPasswordFile,
		RetryTimeout: k.RetryTimeout,
	}
}

// Input is what a pipeline reads, and when it takes a partition to be complete up to a time.
//
//nolint:lll // a setting is one line, its help included
type Input struct {
	Topic           string `name:"topic" help:"Topic to read." default:"events.clickstream.raw" group:"source"`
	Format          string `name:"format" help:"How the records are written: ${enum}." enum:"avro,json" default:"avro" group:"source"`
	Registry        string `name:"registry" help:"Schema registry (Confluent's API). Needed for avro." placeholder:"URL" group:"source"`
	Until           Moment `name:"until" help:"Where to end: never, latest (the topic's ends as they are now), or an RFC 3339 time (${default})." default:"never" placeholder:"WHEN" group:"source"`
	DeadLetterTopic string `name:"dead-letter-topic" help:"Topic of the records that could not be counted. It is made where it is missing." default:"events.clickstream.dlq" group:"source"`
	OnDataLoss      string `name:"on-data-loss" help:"What to do when Kafka no longer has the records that are next: ${enum}." enum:"fail,warn" default:"fail" group:"source"`
	Readers         int    `name:"readers" help:"Readers that share the partitions. Prism takes one, Flink as many as there are to be." default:"1" group:"source"`

	WatermarkDelay time.Duration `name:"watermark-delay" help:"How far the watermark stays behind the newest click." default:"10s" group:"time"`
	IdleTimeout    time.Duration `name:"idle-timeout" help:"How long a partition may be silent before the watermark goes on without it." default:"30s" group:"time"`
	ClockSkew      time.Duration `name:"clock-skew" help:"How far ahead of its record's time a click's may be." default:"5m" group:"time"`

	Kafka Kafka `embed:""`
}

// Bounded tells whether the pipeline ends by itself.
func (i *Input) Bounded() bool { return i.Until.Word != Never }

// Job is who runs a pipeline, and how.
//
//nolint:lll // a setting is one line, its help included
type Job struct {
	Runner             string        `name:"runner" help:"Who runs the pipeline: ${enum}. prism is in this process, and so is direct, its other name." enum:"prism,direct,flink,spark,dataflow" default:"prism" group:"runner"`
	Endpoint           string        `name:"endpoint" help:"Beam's job service of Flink or Spark, host:port; or the URL of Dataflow's API, where it is not Google's." placeholder:"WHERE" group:"runner"`
	Environment        string        `name:"environment" help:"Where the workers run: loopback (in this process), external (in pools, see the worker command), process (this binary, which the runner starts) or docker. It is loopback when the endpoint is on this machine." enum:",loopback,external,process,docker" default:"" placeholder:"NAME" group:"runner"`
	EnvironmentConfig  string        `name:"environment-config" help:"The pool's address as the runner's machines see it (localhost:50000), the path of this binary there, or the image." placeholder:"WHERE" group:"runner"`
	Parallelism        int           `name:"parallelism" help:"Workers of a distributed runner; 0 leaves it to the runner." default:"0" group:"runner"`
	CheckpointInterval time.Duration `name:"checkpoint-interval" help:"How often a distributed runner keeps its state." default:"10s" group:"runner"`
	PollInterval       time.Duration `name:"poll-interval" help:"How long a reader on Flink that has read all there is waits before it looks again; 0 is 5s for each reader, up to 30s. Flink's runner before Beam 2.76 keeps 5 KB of state for each wait, for good: shorter waits are for later ones." default:"0" group:"runner"`
	RunnerOptions      []string      `name:"runner-option" help:"Any other option of the runner, by its name in Beam, as state_backend=rocksdb or savepoint_path=file:///savepoints/7; may be given again." placeholder:"NAME=VALUE" group:"runner"`
	FlinkREST          string        `name:"flink-rest" help:"Flink's own interface, as http://localhost:8081: what a job is cancelled by, and soonest known to be done." placeholder:"URL" group:"runner"`
	Async              bool          `name:"async" help:"Leave the job to its runner once it runs, in place of following it to its end." group:"runner"`

	MetricsListen string `name:"metrics-listen" help:"Address to serve metrics for Prometheus at, and a page that shows them, as the monitor command does; none by default." placeholder:"HOST:PORT" group:"metrics"`
	Serve         Listen `embed:""`
	OTLPEndpoint  string `name:"otlp-endpoint" help:"Collector to send traces to, by OTLP over HTTP, as http://localhost:4318: a span for each bundle of a reader and each commit; none by default. OTEL_EXPORTER_OTLP_HEADERS may hold what it wants to log in." placeholder:"URL" group:"metrics"`

	Dataflow Dataflow `embed:""`
}

// Run is what the run command can be told.
//
//nolint:lll // a setting is one line, its help included
type Run struct {
	Input            `embed:""`
	Group            string `name:"group" help:"Consumer group whose offsets are committed, for tools that show lag. What is read next is the table's to say." default:"clickstream-aggregator" group:"source"`
	Start            Moment `name:"start" help:"Where to start when the table is new: latest, earliest, or an RFC 3339 time. A table that exists says itself (${default})." default:"latest" placeholder:"WHEN" group:"source"`
	Source           string `name:"source" help:"Who reads: native, or kafkaio, which is Java's KafkaIO, on Flink alone and many times slower." enum:"native,kafkaio" default:"native" group:"source"`
	ExpansionService string `name:"expansion-service" help:"Beam's expansion service that knows Java's KafkaIO, host:port. Needed for --source kafkaio." placeholder:"HOST:PORT" group:"source"`

	Window          time.Duration `name:"window" help:"Length of the windows that are counted." default:"1m" group:"time"`
	AllowedLateness time.Duration `name:"allowed-lateness" help:"How long after its end a window still takes clicks." default:"5m" group:"time"`

	Table       string `name:"table" help:"Directory of the table, or s3://bucket/path or gs://bucket/path (${default})." default:"./silver/page_views_1min" placeholder:"WHERE" group:"table"`
	TableFormat string `name:"table-format" help:"Format of the table: ${enum}." enum:"delta,parquet" default:"delta" group:"table"`
	Shards      int    `name:"shards" help:"Files that a window's rows are spread over, by page." default:"1" group:"table"`
	Dedupe      string `name:"dedupe" help:"Count the clicks of a window that have the same of these once: ${enum}; empty counts every click. It takes about 29 bytes of the runner's memory for each event of the windows that are open." enum:",event_id" default:"" placeholder:"FIELD" group:"table"`
	UniqueUsers bool   `name:"unique-users" help:"Say in a column unique_users how many users viewed the page, by HyperLogLog++: the standard error is 0.8%, and a few thousand are told exactly. It takes about 4 bytes of the runner's memory for each user of a page in a bundle, and 16 KB a page at most. A table stays with what it was made with." group:"table"`
	Top         int    `name:"top" help:"Keep only the so many most viewed pages of each window in the table; 0 keeps all. A table stays with what it was made with." default:"0" placeholder:"N" group:"table"`

	Job `embed:""`
}

// Enrich is what the enrich command can be told.
//
//nolint:lll // a setting is one line, its help included
type Enrich struct {
	Input         `embed:""`
	Group         string `name:"group" help:"Consumer group of the pipeline. Its offsets say what is read next: they are committed with what was written." default:"clickstream-enricher" group:"source"`
	Start         Moment `name:"start" help:"Where to start when the group is new: latest, earliest, or an RFC 3339 time. A group that has offsets says itself (${default})." default:"latest" placeholder:"WHEN" group:"source"`
	EnrichedTopic string `name:"enriched-topic" help:"Topic to write to." default:"events.clickstream.enriched" group:"source"`

	Sessions   bool          `name:"sessions" negatable:"" help:"Find the session of clicks that name none, from the user's others; --no-sessions leaves it empty." default:"true" group:"sessions"`
	SessionGap time.Duration `name:"session-gap" help:"How long a user may be silent within a session." default:"30m" group:"sessions"`

	Job `embed:""`
}

// Worker is what the worker command can be told.
type Worker struct {
	Listen string `name:"listen" help:"Address of this machine alone that the pool listens at (${default})." default:"localhost:50000" placeholder:"HOST:PORT" group:"runner"`
}

// Generate is what the generate command can be told.
type Generate struct {
	Topic    string `name:"topic" help:"Topic to write to." default:"events.clickstream.raw" group:"source"`
	Format   string `name:"format" help:"How the records are written: ${enum}." enum:"avro,json" default:"avro" group:"source"`
	Registry string `name:"registry" help:"Schema registry (Confluent's API). Needed for avro." placeholder:"URL" group:"source"`

	Rate         float64       `name:"rate" help:"Clicks per second; 0 is as fast as possible." default:"1000" group:"clicks"`
	Count        int64         `name:"count" help:"How many clicks; 0 goes on until it is stopped." default:"0" group:"clicks"`
	From         Moment        `name:"from" help:"Event time of the first click, RFC 3339; now by default, or --span ago." placeholder:"TIME" group:"clicks"`
	Span         time.Duration `name:"span" help:"Spread the clicks over that much event time, in place of the time that writing them takes. Needs --count." group:"clicks"`
	Pages        int           `name:"pages" help:"How many pages there are." default:"1000" group:"clicks"`
	Zipf         float64       `name:"zipf" help:"Exponent of the pages' popularity, above 1; 0 makes all alike." default:"1.1" group:"clicks"`
	BadFraction  float64       `name:"bad-fraction" help:"Fraction of records that are no valid click, from 0 to 1." default:"0" group:"clicks"`
	LateFraction float64       `name:"late-fraction" help:"Fraction of clicks that come late, from 0 to 1." default:"0" group:"clicks"`
	Seed         uint64        `name:"seed" help:"The same seed gives the same clicks." default:"1" group:"clicks"`

	Kafka Kafka `embed:""`
}

// TableShow is what the table show command can be told.
type TableShow struct {
	Table  string `name:"table" help:"Directory of the table, or s3://bucket/path or gs://bucket/path (${default})." default:"./silver/page_views_1min" placeholder:"WHERE" group:"table"`
	Output string `name:"output" short:"o" help:"How to print the rows: ${enum}." enum:"table,csv,json" default:"table" group:"table"`
	From   Moment `name:"from" help:"First window, by its start, RFC 3339." placeholder:"TIME" group:"table"`
	To     Moment `name:"to" help:"End of the windows, by their start, RFC 3339; not itself included." placeholder:"TIME" group:"table"`
	Page   string `name:"page" help:"Only this page." placeholder:"URL" group:"table"`
	Limit  int    `name:"limit" help:"At most so many rows; 0 is all." default:"0" group:"table"`

	Version   *int64 `name:"version" help:"The table as it was in this version; Delta only." placeholder:"N" group:"table"`
	Timestamp Moment `name:"timestamp" help:"The table as it was at this time, RFC 3339; Delta only." placeholder:"TIME" group:"table"`
}

// TableVacuum is what the table vacuum command can be told.
//
//nolint:lll // a setting is one line, its help included
type TableVacuum struct {
	Table  string        `name:"table" help:"Directory of the table, or s3://bucket/path or gs://bucket/path (${default})." default:"./silver/page_views_1min" placeholder:"WHERE" group:"table"`
	Retain time.Duration `name:"retain" help:"Keep what was of the table within this time: readers of its versions need it, and whoever is about to commit." default:"168h" group:"table"`
	DryRun bool          `name:"dry-run" negatable:"" help:"Tell what would be removed, and remove nothing; --no-dry-run removes it." default:"true" group:"table"`
	Force  bool          `name:"force" help:"Keep less than an hour. Only while nothing writes to the table: what a run is about to commit would go as well." group:"table"`
}

// TableCompact is what the table compact command can be told.
//
//nolint:lll // a setting is one line, its help included
type TableCompact struct {
	Table           string        `name:"table" help:"Directory of the table, or s3://bucket/path or gs://bucket/path (${default})." default:"./silver/page_views_1min" placeholder:"WHERE" group:"table"`
	Into            string        `name:"into" help:"What goes into one file of each shard: an ${enum}, in UTC." enum:"hour,day" default:"hour" group:"table"`
	From            Moment        `name:"from" help:"Only hours, or days, that begin at this time or later, RFC 3339." placeholder:"TIME" group:"table"`
	To              Moment        `name:"to" help:"Only hours, or days, that end by this time, RFC 3339." placeholder:"TIME" group:"table"`
	AllowedLateness time.Duration `name:"allowed-lateness" help:"How long after its end a run may still replace a window, which is left alone; as in run." default:"5m" group:"time"`
	DryRun          bool          `name:"dry-run" help:"Tell what would be merged, and change nothing." group:"table"`
}

// Demo is what the demo command can be told.
type Demo struct {
	For   time.Duration `name:"for" help:"End after this time; without it, at Ctrl-C." group:"demo"`
	Table string        `name:"table" help:"Directory of the table (${default})." default:"./demo/page_views_1min" placeholder:"DIR" group:"demo"`
	Rate  float64       `name:"rate" help:"Live clicks per second." default:"500" group:"demo"`
	Plain bool          `name:"plain" help:"Plain lines in place of the live view, as without a terminal." group:"demo"`

	Listen string `name:"listen" help:"Address of a page that shows the demo in a browser; empty for none. Where the default is taken, it is another port (${default})." default:"127.0.0.1:8080" placeholder:"HOST:PORT" group:"demo"`
}

// DemoListen is where a demo's page is, unless something else is there.
const DemoListen = "127.0.0.1:8080"

// Error is that the settings are wrong. A command ends with exit code 2 for it.
type Error struct {
	Faults []string // one line each, with the setting, the value and the way out
}

func (e *Error) Error() string { return strings.Join(e.Faults, "; ") }
