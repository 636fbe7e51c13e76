package table

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// childRoot tells the test binary to open the table there, leave a file aside, and wait to be killed.
const childRoot = "CLICKSTREAM_TEST_TABLE"

func TestMain(m *testing.M) {
	if root := os.Getenv(childRoot); root != "" {
		leaveAside(root)
		return
	}
	m.Run()
}

func leaveAside(root string) {
	s := Settings{Path: root, Format: Parquet, Topic: "clicks", Window: time.Minute, Shards: 1}
	table, err := openFolder(context.Background(), root, s, disk{})
	if err == nil {
		err = os.WriteFile(table.stage.path(name{at(1), time.Minute, 0, 1}), []byte("half a file"), 0o600)
	}
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("ready")
	_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or the test is gone
}

// What a process leaves aside stays while it lives, and goes with the next Open once it was killed.
func TestLeftoversOfAKilledProcess(t *testing.T) {
	root := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childRoot+"="+root)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	_, err = child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill() })
	ready := make([]byte, 5)
	_, err = io.ReadFull(out, ready)
	require.NoError(t, err)

	table := open(t, settings(root))
	_, aside := visible(t, root)
	assert.Len(t, aside, 1, "the file of a living process")
	require.NoError(t, table.Close())

	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	table = open(t, settings(root))
	_, aside = visible(t, root)
	assert.Empty(t, aside)
	assert.Empty(t, rows(t, table, Filter{}))
	require.NoError(t, table.Close())
}

// A folder without an owner is swept, however old it is by the clock: its process finds out, and makes another.
func TestLeftoversWithoutOwner(t *testing.T) {
	root := t.TempDir()
	for name, age := range map[string]time.Duration{"young": 0, "old": 24 * time.Hour, "of the future": -24 * time.Hour} {
		folder := filepath.Join(root, staging, name)
		require.NoError(t, os.MkdirAll(folder, 0o700))
		require.NoError(t, os.Chtimes(folder, time.Now().Add(-age), time.Now().Add(-age)))
		table := open(t, settings(root))
		assert.NoDirExists(t, folder)
		require.NoError(t, table.Close())
	}
}

// Processes that open a table at once sweep one another's folders as they come to be, and each has one at the end.
func TestStagesAtOnce(t *testing.T) {
	root := t.TempDir()
	for range 20 {
		var group errgroup.Group
		stages := make([]*stage, 8)
		for i := range stages {
			group.Go(func() (err error) {
				stages[i], err = newStage(root)
				return err
			})
		}
		require.NoError(t, group.Wait())
		for _, s := range stages {
			assert.FileExists(t, filepath.Join(s.folder, ownerFile))
		}
		for _, s := range stages {
			require.NoError(t, s.close())
		}
	}
}
