package settings_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/settings"
)

func TestDLQListFaults(t *testing.T) {
	kafka := settings.Kafka{Brokers: []string{"localhost:9092"}, RetryTimeout: time.Second}
	list := settings.DLQList{Letters: settings.Letters{DeadLetterTopic: "d", Reason: []string{"json", "too_late"}}, By: "time", Every: time.Minute, Output: "csv", Kafka: kafka}
	require.NoError(t, settings.Validate(&list))
	minus := int32(-1)
	list = settings.DLQList{
		Letters: settings.Letters{DeadLetterTopic: "d", Reason: []string{"jsn"}, Since: moment(t, "2026-01-31T12:00:00Z"), Until: moment(t, "2026-01-31T12:00:00Z"), Partition: &minus},
		Topic:   "a/b", By: "reson", Every: 1500 * time.Millisecond, Output: "table", Kafka: kafka,
	}
	var invalid *settings.Error
	require.ErrorAs(t, settings.Validate(&list), &invalid)
	assert.Equal(t, []string{
		`--by is "reson"; it must be one of reason, time, partition; did you mean reason?`,
		`--reason is "jsn"; it must be of bad_magic, unknown_schema, avro, json, trailing_bytes, missing_field, invalid_field, future_timestamp, too_late, too_large; did you mean json?`,
		"--since 2026-01-31T12:00:00Z is not before --until 2026-01-31T12:00:00Z; nothing is between them",
		"--partition is -1; it must not be negative",
		`--topic: "a/b" is no valid topic name; it may hold letters, digits, '.', '_' and '-', 249 at most`,
		"--every is 1.5s; it must be whole seconds",
	}, invalid.Faults)
	list = settings.DLQList{Letters: settings.Letters{DeadLetterTopic: "d"}, By: "reason", Every: time.Minute, Output: "table", Kafka: kafka}
	require.ErrorAs(t, settings.Validate(&list), &invalid)
	assert.Equal(t, []string{"--every 1m is for --by time, and --by is reason; leave it out"}, invalid.Faults)
}

func TestDLQReplayFaults(t *testing.T) {
	replay := settings.DLQReplay{Audit: audited(t), Letters: settings.Letters{DeadLetterTopic: "d"}, MaxAttempts: 3, Output: "text", Rebuild: true}
	require.NoError(t, settings.Validate(&replay))
	replay.Audit.Format = "avro"
	replay.Letters.DeadLetterTopic = "t"
	require.NoError(t, replay.Offsets.UnmarshalText([]byte("3-7")))
	replay.MaxAttempts, replay.Rate = 0, -1
	var invalid *settings.Error
	require.ErrorAs(t, settings.Validate(&replay), &invalid)
	assert.Equal(t, []string{
		"--format avro needs a schema registry; set --registry http://host:8081, or use --format json",
		"--topic is --dead-letter-topic, t: records are not replayed into the dead letter topic; name the topic that they came from",
		"--offsets 3-7 is given without --partition; every partition has offsets of its own, so name one",
		"--max-attempts is 0; it must be at least 1",
		"--rate is -1; it must be from 0, as fast as possible, to 1e9",
	}, invalid.Faults)
	replay = settings.DLQReplay{Audit: audited(t), Letters: settings.Letters{DeadLetterTopic: "d"}, MaxAttempts: 3, Output: "text"}
	replay.Audit.Format = "avro"
	assert.NoError(t, settings.Validate(&replay), "without a rebuild nothing is decoded")
}

func TestDLQShowFaults(t *testing.T) {
	show := settings.DLQShow{DeadLetterTopic: "d", Registry: "ftp://x", Bytes: -1, Output: "yaml", Kafka: settings.Kafka{Brokers: []string{"localhost"}, RetryTimeout: time.Second}}
	var invalid *settings.Error
	require.ErrorAs(t, settings.Validate(&show), &invalid)
	assert.Equal(t, []string{
		`--output is "yaml"; it must be one of text, json`,
		`--registry is "ftp://x"; it must be an http:// or https:// URL with a host`,
		"--bytes is -1; it must not be negative; 0 is all",
	}, invalid.Faults)
}

func TestPlacesAndSpans(t *testing.T) {
	var p settings.Place
	require.NoError(t, p.UnmarshalText([]byte("3:1042")))
	assert.Equal(t, settings.Place{Partition: 3, Offset: 1042}, p)
	assert.Equal(t, "3:1042", p.String())
	for _, text := range []string{"", "3", "3:", ":1", "-1:2", "1:-2", "x:1", "1:2:3", "9999999999:1"} {
		require.ErrorContains(t, p.UnmarshalText([]byte(text)), "write it as PARTITION:OFFSET", text)
	}
	var s settings.OffsetSpan
	require.NoError(t, s.UnmarshalText([]byte("7")))
	assert.Equal(t, settings.OffsetSpan{From: 7, To: 7, Given: true}, s)
	for _, text := range []string{"7-", "-7", "9-7", "a-b"} {
		require.ErrorContains(t, s.UnmarshalText([]byte(text)), "write it as FROM-TO", text)
	}
	require.NoError(t, s.UnmarshalText(nil))
	assert.Empty(t, s.String())
}
