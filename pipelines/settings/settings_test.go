package settings_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/kafka"
	"clickstream/pipelines/settings"
)

// cli is a command line with two commands that share settings.
type cli struct {
	Run struct {
		Settings settings.Run `embed:""`
	} `cmd:""`
	Generate struct {
		Settings settings.Generate `embed:""`
	} `cmd:""`
	Common settings.Common `embed:""`
}

type parsed struct {
	cli     cli
	sources *settings.Sources
	ctx     *kong.Context
}

func parse(t *testing.T, environ []string, args ...string) (*parsed, error) {
	t.Helper()
	p := &parsed{sources: settings.NewSources(environ)}
	k, err := settings.Parser(&p.cli, p.sources, kong.Name("clickstream"), kong.Exit(func(int) { t.Fatal("it exits") }))
	require.NoError(t, err)
	settings.CheckChoicesHere(k)
	p.ctx, err = k.Parse(args)
	if err != nil {
		return nil, settings.Explain(k, err)
	}
	return p, nil
}

func mustParse(t *testing.T, environ []string, args ...string) *parsed {
	t.Helper()
	p, err := parse(t, environ, args...)
	require.NoError(t, err)
	return p
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// TestDefaults pins the contract's flags and their defaults.
func TestDefaults(t *testing.T) {
	p := mustParse(t, nil, "run")
	assert.Equal(t, settings.Run{
		Input: settings.Input{
			Topic: "events.clickstream.raw", Format: "avro", Until: settings.Moment{Word: "never"},
			DeadLetterTopic: "events.clickstream.dlq", OnDataLoss: "fail", Readers: 1,
			WatermarkDelay: 10 * time.Second, IdleTimeout: 30 * time.Second, ClockSkew: 5 * time.Minute,
			Kafka: settings.Kafka{Brokers: []string{"localhost:9092"}, RetryTimeout: 30 * time.Second},
		},
		Group: "clickstream-aggregator", Start: settings.Moment{Word: "latest"}, Source: "native",
		Window: time.Minute, AllowedLateness: 5 * time.Minute,
		Table: "./silver/page_views_1min", TableFormat: "delta", Shards: 1,
		Job: settings.Job{Runner: "prism", CheckpointInterval: 10 * time.Second},
	}, p.cli.Run.Settings)
	assert.Equal(t, settings.Common{LogFormat: "text", LogLevel: "info"}, p.cli.Common)
}

func TestPrecedence(t *testing.T) {
	config := file(t, "c.yaml", "window: 2m\nallowed_lateness: 2m\nclock-skew: 2m\nbrokers: [a:1, b:2]\nrate: 7\nregistry:\n")
	p := mustParse(t, []string{
		"CLICKSTREAM_WINDOW=3m", "CLICKSTREAM_ALLOWED_LATENESS=3m", "CLICKSTREAM_TABLE=", "PATH=/bin",
	}, "run", "--config", config, "--window", "4m")
	run := p.cli.Run.Settings
	assert.Equal(t, 4*time.Minute, run.Window, "the flag")
	assert.Equal(t, 3*time.Minute, run.AllowedLateness, "the variable")
	assert.Equal(t, 2*time.Minute, run.ClockSkew, "the file")
	assert.Equal(t, 10*time.Second, run.WatermarkDelay, "the default")
	assert.Equal(t, []string{"a:1", "b:2"}, run.Kafka.Brokers)
	assert.Equal(t, "./silver/page_views_1min", run.Table, "an empty variable is not set")
	assert.Empty(t, run.Registry, "an empty key is not set")
	assert.Empty(t, p.sources.Faults())
	assert.Empty(t, p.sources.Warnings())

	origins := map[string]string{}
	for _, r := range p.sources.Resolved(p.ctx) {
		origins[r.Setting] = r.Origin
	}
	assert.Equal(t, "--window", origins["window"])
	assert.Equal(t, "CLICKSTREAM_ALLOWED_LATENESS", origins["allowed-lateness"])
	assert.Equal(t, config+":3", origins["clock-skew"])
	assert.Equal(t, config+":4", origins["brokers"])
	assert.Equal(t, settings.Default, origins["watermark-delay"])
	assert.Equal(t, settings.Default, origins["table"])
	assert.NotContains(t, origins, "config")
	assert.NotContains(t, origins, "rate", "it is another command's")
}

func TestConfigFromTheEnvironment(t *testing.T) {
	config := file(t, "c.yaml", "window: 2m\nquiet: true\n")
	p := mustParse(t, []string{"CLICKSTREAM_CONFIG=" + config}, "run")
	assert.Equal(t, 2*time.Minute, p.cli.Run.Settings.Window)
	assert.True(t, p.cli.Common.Quiet)

	other := file(t, "d.yaml", "window: 3m\n")
	p = mustParse(t, []string{"CLICKSTREAM_CONFIG=" + config}, "run", "--config="+other)
	assert.Equal(t, 3*time.Minute, p.cli.Run.Settings.Window)
}

// TestFilesRefused has a file per mistake.
func TestFilesRefused(t *testing.T) {
	want := map[string][]string{
		"unknown-key":   {"testdata/unknown-key.bad.yaml:2: unknown key allowed_latenes; did you mean allowed-lateness?"},
		"duplicate-key": {"testdata/duplicate-key.bad.yaml:2: allowed-lateness is set already in line 1"},
		"duration":      {`testdata/duration.bad.yaml:1: window: "60" is no duration; write it as 90s, 5m or 1h30m`},
		"number":        {"testdata/number.bad.yaml:1: shards: expected a valid 64 bit int but got \"many\""},
		"moment":        {`testdata/moment.bad.yaml:1: start: "yesterday" is no time; write it as 2026-01-31T08:00:00Z, or use a word that --help names`},
		"nested":        {"testdata/nested.bad.yaml:1: unknown key kafka", "testdata/nested.bad.yaml:3: window must be one value, or a list of them"},
		"config":        {"testdata/config.bad.yaml:1: config: a file of settings cannot name another; leave it out"},
		"list":          {"testdata/list.bad.yaml:1: the file must be a list of «key: value» lines"},
		"syntax":        {"--config: testdata/syntax.bad.yaml: yaml: line 1"},
		"several":       {"testdata/several.bad.yaml:2: unknown key wndow; did you mean window?", "testdata/several.bad.yaml:3: idle-timeout", "testdata/several.bad.yaml:1: shards"},
	}
	files, err := filepath.Glob("testdata/*.bad.yaml")
	require.NoError(t, err)
	require.Len(t, files, len(want))
	for name, lines := range want {
		t.Run(name, func(t *testing.T) {
			p := mustParse(t, nil, "run", "--config", filepath.Join("testdata", name+".bad.yaml"))
			require.Len(t, p.sources.Faults(), len(lines), "%q", p.sources.Faults())
			for i, line := range lines {
				assert.Contains(t, p.sources.Faults()[i], line)
				assert.NotContains(t, p.sources.Faults()[i], "\n")
			}
		})
	}
	p := mustParse(t, nil, "run", "--config", "testdata/missing.yaml")
	require.Len(t, p.sources.Faults(), 1)
	assert.Contains(t, p.sources.Faults()[0], "testdata/missing.yaml")
}

func TestEnvironment(t *testing.T) {
	p := mustParse(t, []string{
		"CLICKSTREAM_WINDOW=banana", "CLICKSTREAM_WINDWO=1m", "CLICKSTREAM_RATE=5",
		"CLICKSTREAM_SERVICE_HOST=10.0.0.1", "CLICKSTREAM_SERVICE_PORT_HTTP=80", "CLICKSTREAM_PORT=tcp://10.0.0.1:80",
		"CLICKSTREAM_PORT_80_TCP_ADDR=10.0.0.1", "XCLICKSTREAM_WINDOW=1m",
	}, "run")
	assert.Equal(t, []string{`CLICKSTREAM_WINDOW: window: "banana" is no duration; write it as 90s, 5m or 1h30m`}, p.sources.Faults())
	assert.Equal(t, []string{"environment variable CLICKSTREAM_WINDWO is no setting; did you mean CLICKSTREAM_WINDOW?"}, p.sources.Warnings())
	assert.Equal(t, time.Minute, p.cli.Run.Settings.Window)
}

func TestCommandLineRefused(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"run", "--windw", "1m"}, "unknown flag --windw of run; did you mean --window?"},
		{[]string{"run", "--lateness=1m"}, "unknown flag --lateness of run; did you mean --allowed-lateness?"},
		{[]string{"run", "--xyzzy"}, "unknown flag --xyzzy of run; see clickstream run --help"},
		{[]string{"run", "--rate", "1"}, "unknown flag --rate of run"},
		{[]string{"generte"}, "unknown command generte; did you mean generate?"},
		{[]string{"xyzzy"}, "unknown command xyzzy; see clickstream --help"},
		{[]string{"run", "now"}, "unexpected argument now of run; see clickstream run --help"},
		{[]string{"run", "--window", "1"}, `--window: "1" is no duration; write it as 90s, 5m or 1h30m`},
		{[]string{"run", "--window"}, "--window needs a value"},
		{[]string{"run", "--window", "-1m"}, "--window needs a value; write one that begins with - as --window=-1m"},
		{[]string{"run", "--start", "erliest"}, `"erliest" is no time; write it as 2026-01-31T08:00:00Z, or use a word that --help names; did you mean earliest?`},
		{[]string{"run", "--shards", "x"}, "--shards: expected a valid 64 bit int"},
	} {
		_, err := parse(t, nil, c.args...)
		var invalid *settings.Error
		require.ErrorAs(t, err, &invalid, "%v", c.args)
		require.Len(t, invalid.Faults, 1)
		assert.Contains(t, invalid.Faults[0], c.want)
		assert.NotContains(t, invalid.Faults[0], "\n")
	}
}

func TestMoment(t *testing.T) {
	p := mustParse(t, nil, "run", "--start", "2026-01-31T09:00:00+01:00", "--until", "2026-01-31t08:00:00.5z")
	assert.True(t, p.cli.Run.Settings.Start.Time.Equal(time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)))
	assert.Equal(t, "2026-01-31T08:00:00.5Z", p.cli.Run.Settings.Until.String())
	assert.False(t, p.cli.Run.Settings.Start.IsZero())
	assert.True(t, settings.Moment{}.IsZero())
	b, err := json.Marshal(map[string]settings.Moment{"a": p.cli.Run.Settings.Until, "b": {Word: "never"}, "c": {}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"a":"2026-01-31T08:00:00.5Z","b":"never","c":""}`, string(b))
}

func TestConnection(t *testing.T) {
	k := settings.Kafka{
		Brokers: []string{"a:1"}, TLS: true, TLSCA: "ca", TLSCert: "cert", TLSKey: "key",
		SASLMechanism: "PLAIN", SASLUser: "alice", SASLPasswordFile: "p", RetryTimeout: time.Second,
	}
	assert.Equal(t, kafka.Connection{
		Brokers: []string{"a:1"}, TLS: true, TLSCA: "ca", TLSCert: "cert", TLSKey: "key",
		SASLMechanism: "PLAIN", SASLUser: "alice", SASLPasswordFile: "p", RetryTimeout: time.Second,
	}, k.Connection())
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"http://user:pass@host:8081/x":               "http://***@host:8081/x",
		`get "https://u:p@ss@h/": refused`:           `get "https://***@h/": refused`,
		"http://user:pa/ss@host and http://b:c@d":    "http://***@host and http://***@d",
		"http://host/path?token=abc&x=1":             "http://host/path?token=***&x=1",
		"http://host:8081/mail@example":              "http://***@example", // rather too much than a password
		"http://host/mail@example":                   "http://host/mail@example",
		"--registry is \"ftp://key@h\"; it must":     "--registry is \"ftp://***@h\"; it must",
		"mail alice@example.com about localhost:909": "mail alice@example.com about localhost:909",
	} {
		assert.Equal(t, want, settings.Redact(in))
	}
}

func TestNaN(t *testing.T) {
	g := mustParse(t, nil, "generate", "--format", "json").cli.Generate.Settings
	g.Rate, g.Zipf, g.BadFraction = math.NaN(), math.NaN(), math.NaN()
	var invalid *settings.Error
	require.ErrorAs(t, settings.Validate(&g), &invalid)
	assert.Len(t, invalid.Faults, 3)
}
