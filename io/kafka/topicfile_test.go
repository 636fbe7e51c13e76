package kafka_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/kafka"
)

func TestLoadTopics(t *testing.T) {
	topics, err := kafka.LoadTopics("testdata/topics/good.yaml")
	require.NoError(t, err)
	assert.Equal(t, []kafka.Topic{
		{Name: "events.clickstream.raw", Partitions: 12, ReplicationFactor: 3, Config: map[string]string{
			"retention.ms": "604800000", "cleanup.policy": "delete", "compression.type": "zstd",
		}},
		{Name: "events.clickstream.enriched", Partitions: 12, ReplicationFactor: 3, Config: map[string]string{
			"retention.ms": "2592000000", "cleanup.policy": "compact,delete",
		}},
		{Name: "bare", Partitions: 1, Config: map[string]string{}},
	}, topics)
}

// TestLoadTopicsRefuses has a file per mistake.
func TestLoadTopicsRefuses(t *testing.T) {
	want := map[string]string{
		"unknown-key":          ":3: unknown key partition; did you mean partitions?",
		"unknown-list":         ":1: unknown key topic; did you mean topics?",
		"duplicate-topic":      ":4: topic a is described already in line 2",
		"duplicate-key":        ":4: partitions is set already in line 3",
		"duplicate-config":     ":6: config retention.ms is set twice",
		"partitions-word":      `:3: partitions is "twelve"; it must be a whole number from 1 to`,
		"partitions-zero":      `:3: partitions is "0"; it must be a whole number from 1 to`,
		"replication-negative": `:4: replication_factor is "-1"; it must be a whole number from 1 to`,
		"no-partitions":        ":2: topic a has no partitions",
		"no-name":              ":2: the topic has no name",
		"name":                 `:2: "a b" is no valid topic name`,
		"config-nested":        ":5: config retention.ms must be one value",
		"config-word":          ":4: config must be a list of",
		"not-a-list":           ":1: topics must be a list",
		"list":                 ":1: the file must be a list of",
		"empty":                ": it describes no topic",
		"syntax":               ": yaml: line",
	}
	files, err := filepath.Glob("testdata/topics/*.bad.yaml")
	require.NoError(t, err)
	require.Len(t, files, len(want))
	for name, message := range want {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata/topics", name+".bad.yaml")
			_, err := kafka.LoadTopics(path)
			require.ErrorContains(t, err, path+message)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
	_, err = kafka.LoadTopics("testdata/topics/missing.yaml")
	require.ErrorContains(t, err, "testdata/topics/missing.yaml")
}
