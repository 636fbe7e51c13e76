package demo

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/table"
)

// write makes a table of one window at path, of a topic in the named cluster.
func write(t *testing.T, path, cluster string) {
	t.Helper()
	made, err := table.Open(t.Context(), table.Settings{Path: path, Format: table.Parquet, Topic: "clicks", Cluster: cluster, Window: time.Minute, Shards: 1})
	require.NoError(t, err)
	_, err = made.Replace(t.Context(), []table.Window{{Start: begin.Truncate(time.Minute), End: begin.Truncate(time.Minute).Add(time.Minute), Views: map[string]int64{"/": 3}, Events: 3}})
	require.NoError(t, err)
	require.NoError(t, made.Close())
}

func TestClaim(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo", "views")
	f, err := claim(t.Context(), path)
	require.NoError(t, err)
	assert.DirExists(t, path)

	_, err = claim(t.Context(), path)
	require.EqualError(t, err, "table "+path+": another demo is writing to it; end that one, or name another folder with --table")
	write(t, path, clusterPrefix+"1")
	require.NoError(t, f.release())

	f, err = claim(t.Context(), path)
	require.NoError(t, err)
	held, err := readTable(t.Context(), path)
	require.NoError(t, err)
	assert.Zero(t, held.Windows, "the table of the demo before is gone")
	require.NoError(t, f.release())
}

func TestClaimLeavesWhatIsNotADemos(t *testing.T) {
	path := filepath.Join(t.TempDir(), "views")
	write(t, path, "production")
	for range 2 {
		_, err := claim(t.Context(), path)
		require.ErrorContains(t, err, `was counted from topic "clicks" of Kafka cluster "production": it is left as it is: the demo needs a folder of its own; name another one with --table`)
	}
	held, err := readTable(t.Context(), path)
	require.NoError(t, err)
	assert.Equal(t, int64(3), held.Views)

	notes := filepath.Join(t.TempDir(), "notes.txt")
	require.NoError(t, os.WriteFile(notes, []byte("mine"), 0o600))
	_, err = claim(t.Context(), filepath.Dir(notes))
	require.ErrorContains(t, err, "notes.txt is no part of a table")
	assert.FileExists(t, notes)

	_, err = claim(t.Context(), notes)
	require.Error(t, err, "a file")
}
