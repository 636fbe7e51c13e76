package table

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// full returns the settings of a table that holds a window.
func full(t *testing.T) Settings {
	s := settings(t.TempDir())
	table := open(t, s)
	replace(t, table, window(1, pages(3, 1)))
	require.NoError(t, table.Close())
	return s
}

func TestOpenRefuses(t *testing.T) {
	file := func(t *testing.T, below ...string) string {
		path := filepath.Join(append([]string{t.TempDir()}, below...)...)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte("text"), 0o600))
		return path
	}
	for name, c := range map[string]struct {
		settings func(t *testing.T) Settings
		says     []string // besides the path
	}{
		"a file":           {func(t *testing.T) Settings { return settings(file(t, "f")) }, []string{"this is a file", "name a folder"}},
		"below a file":     {func(t *testing.T) Settings { return settings(filepath.Join(file(t, "f"), "x")) }, []string{"not a directory", "choose another folder"}},
		"no path":          {func(*testing.T) Settings { return settings("") }, []string{"name a folder"}},
		"another place":    {func(*testing.T) Settings { return settings("s3://bucket/t") }, []string{"s3://", "folder of this machine"}},
		"Delta":            {func(t *testing.T) Settings { return settings(filepath.Dir(filepath.Dir(file(t, deltaLog, "0.json")))) }, []string{"Delta table"}},
		"others' files":    {func(t *testing.T) Settings { return settings(filepath.Dir(file(t, "part-0.parquet"))) }, []string{"part-0.parquet", "not written by this program"}},
		"deep down":        {func(t *testing.T) Settings { return settings(filepath.Dir(filepath.Dir(file(t, "d", "p.parquet")))) }, []string{"d/p.parquet"}},
		"format":           {func(t *testing.T) Settings { s := full(t); s.Format = "csv"; return s }, []string{`"csv"`, "parquet"}},
		"no window":        {func(t *testing.T) Settings { s := full(t); s.Window = 0; return s }, []string{"window of 0s"}},
		"too fine":         {func(t *testing.T) Settings { s := full(t); s.Window = 1500 * time.Microsecond; return s }, []string{"1.5ms"}},
		"no shards":        {func(t *testing.T) Settings { s := full(t); s.Shards = 0; return s }, []string{"0 shards"}},
		"another window":   {func(t *testing.T) Settings { s := full(t); s.Window = time.Hour; return s }, []string{"windows of 1m0s, not 1h0m0s"}},
		"another sharding": {func(t *testing.T) Settings { s := full(t); s.Shards = 4; return s }, []string{"number of shards of 1, not 4"}},
		"another top":      {func(t *testing.T) Settings { s := full(t); s.Top = 3; return s }, []string{"counted with no optional step, not with --top 3"}},
		"another topic":    {func(t *testing.T) Settings { s := full(t); s.Topic = "orders"; return s }, []string{`topic "clicks", not "orders"`}},
		"another cluster":  {func(t *testing.T) Settings { s := full(t); s.Cluster = "c2"; return s }, []string{`cluster "c1", not "c2"`}},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.settings(t)
			_, err := Open(context.Background(), s)
			require.Error(t, err)
			for _, says := range append(c.says, s.Path) {
				require.ErrorContains(t, err, says)
			}
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestOpenTakes(t *testing.T) {
	link := func(t *testing.T) Settings {
		s := full(t)
		path := filepath.Join(t.TempDir(), "link")
		require.NoError(t, os.Symlink(s.Path, path))
		s.Path = path
		return s
	}
	for name, change := range map[string]func(t *testing.T) Settings{
		"the same":        full,
		"a URL":           func(t *testing.T) Settings { s := full(t); s.Path = "file://" + s.Path; return s },
		"a slash":         func(t *testing.T) Settings { s := full(t); s.Path += "/"; return s },
		"a link":          link,
		"unknown cluster": func(t *testing.T) Settings { s := full(t); s.Cluster = ""; return s },
		"other files": func(t *testing.T) Settings {
			s := full(t)
			require.NoError(t, os.WriteFile(filepath.Join(s.Path, "_SUCCESS"), nil, 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(s.Path, "README.md"), nil, 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(s.Path, ".part.parquet"), nil, 0o600))
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := open(t, change(t))
			assert.Len(t, rows(t, table, Filter{}), 3)
			assert.Equal(t, 1, replace(t, table, window(1, pages(3, 1))).Unchanged)
			assert.Equal(t, 1, replace(t, table, window(2, pages(3, 1))).Written)
			require.NoError(t, table.Close())
		})
	}
}

func TestOpenLeavesOthersFoldersAlone(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "x.parquet"), nil, 0o600))
	_, err := Open(context.Background(), settings(root))
	require.Error(t, err)
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

func TestViewRefuses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	_, err := View(context.Background(), missing)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.EqualError(t, err, "table "+missing+": there is no such folder: file does not exist")
	assert.NoDirExists(t, missing)

	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = View(context.Background(), path)
	require.ErrorContains(t, err, "this is a file")
}
