package settings_test

import (
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/settings"
)

// enrichOf parses a command line of enrich.
func enrichOf(t *testing.T, args ...string) *settings.Enrich {
	t.Helper()
	var cli struct {
		Enrich struct {
			Settings settings.Enrich `embed:""`
		} `cmd:""`
	}
	k, err := settings.Parser(&cli, settings.NewSources(nil), kong.Exit(func(int) { t.Error("the parser wants to exit") }))
	require.NoError(t, err)
	settings.CheckChoicesHere(k)
	_, err = k.Parse(append([]string{"enrich"}, args...))
	require.NoError(t, err)
	return &cli.Enrich.Settings
}

func TestEnrichDefaults(t *testing.T) {
	e := enrichOf(t)
	assert.Equal(t, "events.clickstream.raw", e.Topic)
	assert.Equal(t, "events.clickstream.enriched", e.EnrichedTopic)
	assert.Equal(t, "events.clickstream.dlq", e.DeadLetterTopic)
	assert.Equal(t, "clickstream-enricher", e.Group, "none that another command uses")
	assert.Equal(t, settings.Moment{Word: settings.Latest}, e.Start)
	assert.Equal(t, settings.Moment{Word: settings.Never}, e.Until)
	assert.True(t, e.Sessions)
	assert.Equal(t, 30*time.Minute, e.SessionGap)
	assert.Equal(t, "prism", e.Runner)
	assert.False(t, enrichOf(t, "--no-sessions").Sessions)
}

func TestEnrichValid(t *testing.T) {
	for _, line := range []string{
		"",
		"--format json",
		"--no-sessions --runner spark --endpoint localhost:8099 --until latest",
		"--session-gap 1s --watermark-delay 0s --clock-skew 0s",
		"--session-gap 720h --start earliest --until 2026-01-31T08:00:00Z",
		"--readers 4 --runner flink --endpoint localhost:8099",
	} {
		require.NoError(t, settings.Validate(enrichOf(t, append(strings.Fields(line), "--registry", "http://localhost:8081")...)), line)
	}
}

func TestEnrichFaults(t *testing.T) {
	const registry = "--registry http://h:8081 "
	for line, want := range map[string][]string{
		"":              {"--format avro needs a schema registry; set --registry http://host:8081, or use --format json"},
		"--format json": {"--registry is missing: the enriched topic is Avro, whatever --format is; set --registry http://host:8081"},
		"--format json --registry h:8081": {
			`--registry is "h:8081"; it must be an http:// or https:// URL with a host`,
		},
		registry + "--enriched-topic events.clickstream.raw": {"--enriched-topic is --topic, events.clickstream.raw: what is written would be read again without end; name another"},
		registry + "--enriched-topic events.clickstream.dlq": {"--enriched-topic is --dead-letter-topic, events.clickstream.dlq; name another"},
		registry + "--topic t --dead-letter-topic t":         {"--dead-letter-topic is --topic, t: its rejects would be read again without end; name another"},
		registry + "--topic t --dead-letter-topic t --enriched-topic t": {
			"--dead-letter-topic is --topic, t: its rejects would be read again without end; name another",
			"--enriched-topic is --topic, t: what is written would be read again without end; name another",
		},
		registry + "--enriched-topic a/b":                                      {`--enriched-topic: "a/b" is no valid topic name; it may hold letters, digits, '.', '_' and '-', 249 at most`},
		registry + "--group=":                                                  {"--group is empty; name the consumer group whose offsets are committed"},
		registry + "--session-gap 0s":                                          {"--session-gap is 0s; it must be at least 1s"},
		registry + "--session-gap=-30m":                                        {"--session-gap is -30m; it must be at least 1s"},
		registry + "--session-gap 721h":                                        {"--session-gap is 721h; it must be at most 720h, as sessions are kept for twice that long"},
		registry + "--session-gap 2000000h":                                    {"--session-gap is 2000000h; it must be at most 720h, as sessions are kept for twice that long"},
		registry + "--session-gap 1500us":                                      {"--session-gap is 1.5ms; it must be at least 1s"},
		registry + "--session-gap 1s1us":                                       {"--session-gap is 1.000001s; it must be whole milliseconds, as event times are"},
		registry + "--runner prizm":                                            {`--runner is "prizm"; it must be one of prism, direct, flink, spark, dataflow; did you mean prism?`},
		registry + "--readers 2":                                               {"--readers is 2; --runner prism takes one, which reads every partition"},
		registry + "--start 2026-01-31T08:00:00Z --until 2026-01-31T08:00:00Z": {"--start 2026-01-31T08:00:00Z is not before --until 2026-01-31T08:00:00Z; nothing would be read"},
		registry + "--runner spark --endpoint localhost:8099 --until latest":   {"--sessions are found by state and timers, which --runner spark does not have for Go pipelines; say --no-sessions, or name another runner"},
	} {
		t.Run(line, func(t *testing.T) {
			var invalid *settings.Error
			require.ErrorAs(t, settings.Validate(enrichOf(t, strings.Fields(line)...)), &invalid)
			assert.Equal(t, want, invalid.Faults)
		})
	}
}
