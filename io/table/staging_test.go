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

// A folder without an owner may belong to a process that is about to lock it, unless it is old.
func TestLeftoversWithoutOwner(t *testing.T) {
	root := t.TempDir()
	young, old := filepath.Join(root, staging, "1-young"), filepath.Join(root, staging, "1-old")
	require.NoError(t, os.MkdirAll(young, 0o700))
	require.NoError(t, os.MkdirAll(old, 0o700))
	long := time.Now().Add(-2 * orphanAge)
	require.NoError(t, os.Chtimes(old, long, long))
	table := open(t, settings(root))
	assert.DirExists(t, young)
	assert.NoDirExists(t, old)
	require.NoError(t, table.Close())
}
