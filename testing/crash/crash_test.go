package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
)

// TestShortStories is the short form of scripts/crash.sh, without restarts of the broker, which all tests share.
func TestShortStories(t *testing.T) {
	for _, name := range []string{"CLICKSTREAM_TEST_DIE_AT", "CLICKSTREAM_TEST_FAIL_AT"} {
		require.Empty(t, os.Getenv(name))
	}
	c := kafkatest.FindReal(t)
	binary := filepath.Join(t.TempDir(), "clickstream")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "crash", "-o", binary, "../../pipelines/clickstream").CombinedOutput()
	require.NoError(t, err, "%s", out)

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := &suite{
		connection: kafka.Connection{Brokers: c.Brokers}, registry: c.Registry, clickstream: binary,
		formats: []string{"delta", "parquet"}, kills: 3, rate: 5_000,
	}
	for turn := range 4 {
		r, err := s.tell(t.Context(), seed+uint64(turn))
		require.NoError(t, err, "tell it again with -seed %d", seed+uint64(turn))
		assert.Positive(t, r.clicks)
		assert.Equal(t, 3, r.killed)
		if (seed+uint64(turn))%2 == 0 { // delta
			assert.Positive(t, r.files)
		}
	}
}
