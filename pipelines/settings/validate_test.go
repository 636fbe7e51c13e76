package settings_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/settings"
)

// faults returns what is wrong with a command line that can be parsed.
func faults(t *testing.T, args ...string) []string {
	t.Helper()
	p := mustParse(t, nil, args...)
	var err error
	if args[0] == "run" {
		err = settings.Validate(&p.cli.Common, &p.cli.Run.Settings)
	} else {
		err = settings.Validate(&p.cli.Common, &p.cli.Generate.Settings)
	}
	if err == nil {
		return nil
	}
	var invalid *settings.Error
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, strings.Join(invalid.Faults, "; "), invalid.Error())
	return invalid.Faults
}

func TestValid(t *testing.T) {
	table := filepath.Join(t.TempDir(), "not", "there", "yet")
	secret := file(t, "secret", "x")
	for _, args := range [][]string{
		{"run", "--format=json"},
		{"run", "--registry=http://u:p@h:8081"},
		{"run", "--format=json", "--table", table, "--start=earliest", "--until=latest", "--allowed-lateness=0s", "--watermark-delay=0s", "--clock-skew=0s"},
		{"run", "--format=json", "--runner=direct", "--environment=loopback", "--metrics-listen=:9100", "--log-format=json", "--log-level=debug"},
		{"run", "--format=json", "--brokers=a,b:1,[::1]:9092", "--sasl-mechanism=PLAIN", "--sasl-user=u", "--sasl-password-file", secret},
		{"run", "--format=json", "--sasl-mechanism=OAUTHBEARER", "--sasl-password-file", secret},
		{"run", "--format=json", "--start=2026-01-31T08:00:00Z", "--until=2026-01-31T08:00:01Z", "--window=1s"},
		{"generate", "--format=json", "--rate=0", "--count=10", "--span=1h", "--zipf=0", "--bad-fraction=0.5", "--late-fraction=0.5", "--from=2026-01-31T08:00:00Z"},
	} {
		assert.Empty(t, faults(t, args...), "%v", args)
	}
	assert.NoDirExists(t, filepath.Dir(table), "it writes nothing")
}

func TestFaults(t *testing.T) {
	plain := file(t, "plain", "x")
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	for _, c := range []struct{ args, want string }{
		{"run --format=avro", "--format avro needs a schema registry; set --registry http://host:8081, or use --format json"},
		{"run --format=arvo", `--format is "arvo"; it must be one of avro, json; did you mean avro?`},
		{"run --on-data-loss=ignore", `--on-data-loss is "ignore"; it must be one of fail, warn`},
		{"run --sasl-mechanism=plain --sasl-user=u --sasl-password-file=" + plain, `--sasl-mechanism is "plain"; it must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER; did you mean PLAIN?`},
		{"run --log-level=trace", `--log-level is "trace"; it must be one of debug, info, warn, error`},
		{"run --log-format=jsn", `--log-format is "jsn"; it must be one of text, json; did you mean json?`},
		{"run --registry=registry:8081", `--registry is "registry:8081"; it must be an http:// or https:// URL with a host`},
		{"run --registry=ftp://u:hunter2@h", `--registry is "ftp://***@h"; it must be an http:// or https:// URL with a host`},
		{"run --registry=http://u:hunter%zz@h", "--registry is no URL; write http://host:8081, with %-escapes for special characters in a password"},

		{"run --window=0s", "--window is 0s; it must be at least 1s"},
		{"run --window=-5m", "--window is -5m; it must be at least 1s"},
		{"run --window=1500ms", "--window is 1.5s; it must be whole seconds"},
		{"run --allowed-lateness=-1s", "--allowed-lateness is -1s; it must not be negative"},
		{"run --watermark-delay=-1s", "--watermark-delay is -1s; it must not be negative"},
		{"run --watermark-delay=1us", "--watermark-delay is 1µs; it must be whole milliseconds, as event times are"},
		{"run --idle-timeout=0s", "--idle-timeout is 0s; it must be at least 1s, as a partition is silent that long between two fetches"},
		{"run --clock-skew=-1h", "--clock-skew is -1h; it must not be negative"},
		{"run --poll-interval=1s", "--poll-interval 1s is for --runner flink; leave it out"},
		{"run --poll-interval=-1s --runner=flink --endpoint=localhost:8099", "--poll-interval is -1s; it must not be negative"},
		{"run --poll-interval=2m --runner=flink --endpoint=localhost:8099", "--poll-interval is 2m; it must be at most 1m, as windows wait for it"},
		{"run --checkpoint-interval=10ms", "--checkpoint-interval is 10ms; it must be at least 1s, for a checkpoint takes about that long"},
		{"run --retry-timeout=0s", "--retry-timeout is 0s; it must be at least 1s, for one attempt takes about that long"},

		{"run --dedupe=user_id", `--dedupe is "user_id"; it must be one of event_id`},
		{"run --dedupe=event_id --shards=2", "--dedupe event_id looks for an event among all pages of a window, and --shards 2 spreads them over files; use --shards 1, or leave --dedupe out"},
		{"run --top=-1", "--top is -1; it must be from 0 to 1000000 pages; 0 keeps all"},
		{"run --top=1000001", "--top is 1000001; it must be from 0 to 1000000 pages; 0 keeps all"},
		{"run --top=10 --shards=2", "--top 10 is of all pages of a window, and --shards 2 spreads them over files; use --shards 1, or leave --top out"},

		{"run --start=never", `--start is "never"; it must be latest, earliest or a time as 2026-01-31T08:00:00Z`},
		{"run --start=", `--start is ""; it must be latest, earliest or a time as 2026-01-31T08:00:00Z`},
		{"run --until=earliest", `--until is "earliest"; it must be never, latest or a time as 2026-01-31T08:00:00Z`},
		{"run --start=2026-01-31T08:00:00Z --until=2026-01-31T08:00:00Z", "--start 2026-01-31T08:00:00Z is not before --until 2026-01-31T08:00:00Z; nothing would be read"},

		{"run --topic=a/b", `--topic: "a/b" is no valid topic name; it may hold letters, digits, '.', '_' and '-', 249 at most`},
		{"run --topic=", "--topic: a topic's name is empty"},
		{"run --dead-letter-topic=events.clickstream.raw", "--dead-letter-topic is --topic, events.clickstream.raw: its rejects would be read again without end; name another"},
		{"run --group=", "--group is empty; name the consumer group whose offsets are committed"},
		{"run --readers=0", "--readers is 0; it must be from 1 to 1024"},
		{"run --readers=2", "--readers is 2; --runner prism takes one, which reads every partition"},
		{"run --source=kafkaio --expansion-service=h:1", "--source kafkaio is for --runner flink, and --runner is prism; name flink, or use --source native"},
		{"run --source=kafkaio --runner=flink --endpoint=localhost:1", "--expansion-service is missing; --source kafkaio needs the address of one that knows Java's KafkaIO, as localhost:8097"},
		{"run --source=kafkaio --expansion-service=h --runner=flink --endpoint=localhost:1", `--expansion-service is "h"; write host:port`},
		{"run --source=kafkaio --expansion-service=h:1 --runner=flink --endpoint=localhost:1 --until=latest", "--until is latest; --source kafkaio reads on without end: leave --until out, or use --source native"},
		{"run --source=kafkaio --expansion-service=h:1 --runner=flink --endpoint=localhost:1 --poll-interval=1s", "--poll-interval 1s is for --source native; leave it out"},
		{"run --expansion-service=h:1", "--expansion-service h:1 is for --source kafkaio, and --source is native; name kafkaio, or leave it out"},

		{"run --shards=0", "--shards is 0; it must be from 1 to 1024, as every window has a file per shard"},
		{"run --table-format=iceberg", `--table-format is "iceberg"; it must be one of delta, parquet`},
		{"run --table-format=parquet --table=s3://bucket/t", "--table s3://bucket/t is for --table-format delta; a table of Parquet files is a directory of this machine"},
		{"run --table=ftp://host/t", "--table ftp://host/t is of a kind that is not known, ftp; name a directory, s3://bucket/path or gs://bucket/path"},
		{"run --table=", "--table is empty; name a directory, or a URL"},
		{"run --table=" + plain, "--table " + plain + " is a file; name a directory"},
		{"run --table=" + plain + "/t", "--table " + plain + "/t cannot be made, as " + plain + " is a file; name another directory"},

		{"run --runner=flink", "--endpoint is missing; --runner flink needs the address of its job service, as localhost:8099"},
		{"run --runner=flink --endpoint=http://h:1 --environment=process", `--endpoint is "http://h:1"; write host:port without a scheme`},
		{"run --runner=flink --endpoint=h:1", "--environment is missing; --endpoint h:1 is on another machine, so say where the workers are: external, process or docker"},
		{"run --runner=flink --endpoint=h:1 --environment=loopback", "--environment loopback has the workers in this process, which --endpoint h:1 on another machine does not reach; name external, process or docker"},
		{"run --runner=flink --endpoint=localhost:1 --async", "--async ends this process, and --environment loopback has the workers in it; name external, process or docker"},
		{"run --runner=flink --endpoint=localhost:1 --environment=docker", "--environment-config is missing; --environment docker needs the image, as registry.example/clickstream:1"},
		{"run --runner=flink --endpoint=localhost:1 --runner-option=a:b=1", `--runner-option "a:b=1" is no option and its value; write it as Beam does, as state_backend=rocksdb`},
		{"run --runner=spark --endpoint=127.0.0.1:1", "--until is never; --runner spark counts what there is and ends, as its streaming of Go pipelines never would: name latest or a time, and run it again and again, each run goes on where the table is"},
		{"run --environment=docker", "--environment docker is for distributed runners, and --runner is prism; name flink or spark, or leave it out"},
		{"run --endpoint=h:1", "--endpoint h:1 is for distributed runners, and --runner is prism; name flink or spark, or leave it out"},
		{"run --runner=direct --async", "--async is for distributed runners: --runner direct runs in this process; leave it out"},
		{"run --runner-option=a=1", "--runner-option is for distributed runners, and --runner is prism; name flink or spark, or leave it out"},
		{"run --parallelism=-1", "--parallelism is -1; it must be from 0 to 32768; 0 leaves it to the runner"},
		{"run --metrics-listen=9100", `--metrics-listen is "9100"; write host:port`},
		{"run --metrics-listen=:99999", `--metrics-listen is ":99999"; its port must be from 1 to 65535`},

		{"run --brokers=http://a:9092", `--brokers is "http://a:9092"; write host:port without a scheme`},
		{"run --brokers=a:b:c", `--brokers is "a:b:c"; write host:port`},
		{"run --brokers=a:0", `--brokers is "a:0"; its port must be from 1 to 65535`},
		{"run --brokers=:9092", `--brokers is ":9092"; it names no host`},
		{"run --brokers=", "--brokers names no broker; write host:port, separated by commas"},
		{"run --tls-ca=" + missing, "--tls-ca: open " + missing + ": no such file or directory"},
		{"run --tls-ca=" + dir, "--tls-ca: " + dir + " is a directory, not a file"},
		{"run --tls-cert=" + plain, "--tls-cert " + plain + " comes without its key; set --tls-key"},
		{"run --tls-key=" + plain, "--tls-key " + plain + " comes without its certificate; set --tls-cert"},
		{"run --sasl-user=u", "--sasl-user u is given without --sasl-mechanism; set it to one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"},
		{"run --sasl-password-file=" + plain, "--sasl-password-file " + plain + " is given without --sasl-mechanism; set it to one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"},
		{"run --sasl-mechanism=PLAIN --sasl-password-file=" + plain, "--sasl-mechanism PLAIN needs a user; set --sasl-user"},
		{"run --sasl-mechanism=PLAIN --sasl-user=u", "--sasl-mechanism PLAIN needs a secret; set --sasl-password-file"},
		{"run --sasl-mechanism=OAUTHBEARER --sasl-password-file=" + missing, "--sasl-password-file: open " + missing + ": no such file or directory"},

		{"generate --rate=-1", "--rate is -1; it must be from 0, as fast as possible, to 1e9"},
		{"generate --count=-1", "--count is -1; it must not be negative; 0 goes on until it is stopped"},
		{"generate --from=latest", `--from is "latest"; it must be a time as 2026-01-31T08:00:00Z`},
		{"generate --span=1h", "--span 1h needs --count, the clicks to spread over it"},
		{"generate --span=-1h --count=1", "--span is -1h; it must not be negative"},
		{"generate --pages=0", "--pages is 0; it must be from 1 to 1000000000"},
		{"generate --zipf=1", "--zipf is 1; it must be above 1, or 0 for pages that are all alike"},
		{"generate --bad-fraction=1.5", "--bad-fraction is 1.5; it must be from 0 to 1"},
		{"generate --late-fraction=-0.1", "--late-fraction is -0.1; it must be from 0 to 1"},
		{"generate --bad-fraction=0.75 --late-fraction=0.5", "--bad-fraction and --late-fraction are 1.25 together; they must not exceed 1"},
	} {
		args := strings.Fields(c.args)
		if !strings.Contains(c.args, "--registry") && !strings.Contains(c.args, "--format") {
			args = append(args, "--format=json")
		}
		t.Run(c.args, func(t *testing.T) {
			assert.Equal(t, []string{c.want}, faults(t, args...))
		})
	}
}

func TestEveryFaultIsTold(t *testing.T) {
	got := faults(t, "run", "--window=0s", "--shards=0", "--format=arvo", "--log-level=x", "--brokers=")
	assert.Len(t, got, 5, "%q", got)
}

func TestTableNotWritable(t *testing.T) {
	if os.Geteuid() == 0 {
		// The system's own read-only tree stands for a directory without permission, which root has always.
		got := faults(t, "run", "--format=json", "--table=/proc/self/table")
		require.Len(t, got, 1)
		assert.Contains(t, got[0], "--table /proc/self/table is not writable: no permission to write in /proc/self")
		return
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500))
	got := faults(t, "run", "--format=json", "--table="+dir)
	require.Len(t, got, 1)
	assert.Contains(t, got[0], "--table "+dir+" is not writable: no permission to write in "+dir)
}

func TestTableShowAndDemo(t *testing.T) {
	noon := settings.Moment{}
	require.NoError(t, noon.UnmarshalText([]byte("2026-01-31T12:00:00Z")))
	show := settings.TableShow{Table: "t", Output: "csv", From: noon}
	require.NoError(t, settings.Validate(&show))
	show = settings.TableShow{Output: "xml", From: noon, To: noon, Limit: -1}
	var invalid *settings.Error
	require.ErrorAs(t, settings.Validate(&show), &invalid)
	assert.Equal(t, []string{
		`--output is "xml"; it must be one of table, csv, json`,
		"--table is empty; name a directory, or a URL",
		"--from 2026-01-31T12:00:00Z is not before --to 2026-01-31T12:00:00Z; no window is between them",
		"--limit is -1; it must not be negative; 0 is all",
	}, invalid.Faults)

	demo := settings.Demo{Table: t.TempDir(), Rate: 1}
	require.NoError(t, settings.Validate(&demo))
	demo = settings.Demo{Table: "", For: -1, Rate: 0, Listen: "http://localhost"}
	require.ErrorAs(t, settings.Validate(&demo), &invalid)
	assert.Len(t, invalid.Faults, 4)
}
