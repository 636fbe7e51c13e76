package settings_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/settings"
)

func moment(t *testing.T, text string) (m settings.Moment) {
	t.Helper()
	require.NoError(t, m.UnmarshalText([]byte(text)))
	return m
}

// audited returns settings of which nothing is wrong.
func audited(t *testing.T) settings.Audit {
	t.Helper()
	return settings.Audit{
		Topic: "t", Format: "json", Table: t.TempDir(), ClockSkew: time.Minute, AllowedLateness: time.Minute,
		Kafka: settings.Kafka{Brokers: []string{"localhost:9092"}, RetryTimeout: time.Second},
	}
}

func TestTableVerifyFaults(t *testing.T) {
	verify := settings.TableVerify{Audit: audited(t), DeadLetterTopic: "d", Output: "json", Last: time.Hour}
	require.NoError(t, settings.Validate(&verify))
	verify = settings.TableVerify{
		Audit: settings.Audit{Format: "xml", ClockSkew: -1, AllowedLateness: time.Nanosecond}, DeadLetterTopic: "a/b", Output: "csv", Limit: -1,
		Last: time.Hour, From: moment(t, "2026-01-31T12:00:00Z"), To: moment(t, "latest"),
	}
	var invalid *settings.Error
	require.ErrorAs(t, settings.Validate(&verify), &invalid)
	assert.Equal(t, []string{
		`--format is "xml"; it must be one of avro, json`,
		`--output is "csv"; it must be one of text, json`,
		"--brokers names no broker; write host:port, separated by commas",
		"--retry-timeout is 0s; it must be at least 1s, for one attempt takes about that long",
		"--topic: a topic's name is empty",
		"--clock-skew is -1ns; it must not be negative",
		"--allowed-lateness is 1ns; it must be whole milliseconds, as event times are",
		`--dead-letter-topic: "a/b" is no valid topic name; it may hold letters, digits, '.', '_' and '-', 249 at most`,
		"--table is empty; name a directory, or a URL",
		"--last 1h is given with --from or --to; use one or the other",
		`--to is "latest"; it must be a time as 2026-01-31T08:00:00Z`,
		"--limit is -1; it must not be negative; 0 is all",
	}, invalid.Faults)
}

func TestTableRebuildFaults(t *testing.T) {
	noon := moment(t, "2026-01-31T12:00:00Z")
	rebuild := settings.TableRebuild{Audit: audited(t), Output: "text", From: noon, To: moment(t, "2026-01-31T12:05:00Z")}
	require.NoError(t, settings.Validate(&rebuild))
	rebuild.Audit.Format, rebuild.To = "avro", noon
	var invalid *settings.Error
	require.ErrorAs(t, settings.Validate(&rebuild), &invalid)
	assert.Equal(t, []string{
		"--format avro needs a schema registry; set --registry http://host:8081, or use --format json",
		"--from 2026-01-31T12:00:00Z is not before --to 2026-01-31T12:00:00Z; no window is between them",
	}, invalid.Faults)
	rebuild = settings.TableRebuild{Audit: audited(t), Output: "text"}
	require.ErrorAs(t, settings.Validate(&rebuild), &invalid)
	assert.Equal(t, []string{
		"--from is missing; name the start of the first window, as 2026-01-31T08:00:00Z",
		"--to is missing; name the end of the last window, as 2026-01-31T09:00:00Z",
	}, invalid.Faults)
}
