package table

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// made makes a table of the cluster with a window on each of two days, and returns its folder.
func made(t *testing.T, cluster string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a [table]*")
	s := stateSettings(dir, Parquet, 1)
	s.Cluster = cluster
	opened := openState(t, s)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	_, err := opened.Replace(t.Context(), []Window{counted(noon, 0, 0, 10), counted(noon.Add(24*time.Hour), 0, 10, 20)})
	require.NoError(t, err)
	return dir
}

func mine(cluster, _ string) bool { return strings.HasPrefix(cluster, "mine-") }

// shown returns the paths below dir, but for what is below its staging folder.
func shown(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if entry.Name() == staging {
			return fs.SkipDir
		}
		if below, _ := filepath.Rel(dir, path); below != "." {
			paths = append(paths, below)
		}
		return err
	}))
	return paths
}

func TestRemove(t *testing.T) {
	dir := made(t, "mine-1")
	hidden := filepath.Join(dir, datePrefix+"2026-03-01", ".DS_Store")
	require.NoError(t, os.WriteFile(hidden, nil, 0o600))
	require.NoError(t, Remove(t.Context(), dir, mine))
	assert.Equal(t, []string{datePrefix + "2026-03-01", filepath.Join(datePrefix+"2026-03-01", ".DS_Store")}, shown(t, dir), "nothing hidden is touched")

	require.NoError(t, os.Remove(hidden))
	require.NoError(t, Remove(t.Context(), dir, mine), "a folder that was left half removed")
	assert.Empty(t, shown(t, dir))
	require.NoError(t, Remove(t.Context(), dir, mine), "a folder that is empty")
	require.NoError(t, Remove(t.Context(), filepath.Join(dir, "none"), mine))

	s := stateSettings(dir, Parquet, 1)
	s.Cluster = "another"
	openState(t, s) // it can be of anything now
}

func TestRemoveFollowsALink(t *testing.T) {
	dir := made(t, "mine-1")
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	require.NoError(t, Remove(t.Context(), link, mine))
	assert.Empty(t, shown(t, dir))
}

func TestRemoveLeavesWhatIsNotOwned(t *testing.T) {
	write := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("precious"), 0o600))
		}
	}
	for name, c := range map[string]struct {
		cluster string
		add     func(t *testing.T, dir string)
		says    string
	}{
		"a table of another cluster": {"theirs", func(*testing.T, string) {}, `Kafka cluster "theirs"`},
		"a file beside the table":    {"mine-1", write("notes.txt"), "notes.txt is no part of a table"},
		"a folder beside the table":  {"mine-1", write("notebooks/a.ipynb"), "notebooks is no part of a table"},
		"a file among the windows":   {"mine-1", write(datePrefix + "2026-03-01/x.csv"), "x.csv is no part of a table"},
		"a folder among the windows": {"mine-1", write(datePrefix + "2026-03-01/x/y"), "x is no part of a table"},
		"a Parquet file of others":   {"mine-1", write(datePrefix + "2026-03-01/x.parquet"), "was not written by this program"},
		"a Delta table":              {"mine-1", write("_delta_log/0.json"), "the folder is a Delta table"},
		"a damaged record":           {"mine-1", write(recordFile), "is damaged"},
		"a record of another cluster": {"mine-1", func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, recordFile), []byte(`{"cluster": "theirs", "topic": "t"}`), 0o600))
		}, `it was made for topic "t" of Kafka cluster "theirs"`},
		"a link to a window": {"mine-1", func(t *testing.T, dir string) {
			files, err := filepath.Glob(filepath.Join(escape(dir), datePrefix+"2026-03-01", "*"))
			require.NoError(t, err)
			away := filepath.Join(t.TempDir(), "away")
			require.NoError(t, os.Rename(files[0], away))
			require.NoError(t, os.Symlink(away, files[0]))
		}, "is no part of a table"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := made(t, c.cluster)
			c.add(t, dir)
			before := shown(t, dir)
			err := Remove(t.Context(), dir, mine)
			require.ErrorIs(t, err, ErrNotOwned)
			require.ErrorContains(t, err, c.says)
			assert.NotContains(t, err.Error(), "\n")
			assert.Equal(t, before, shown(t, dir))
		})
	}
}

// escape returns dir for a pattern of filepath.Glob.
func escape(dir string) string { return strings.NewReplacer("[", `\[`, "*", `\*`).Replace(dir) }

func TestRemoveOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	assert.ErrorContains(t, Remove(t.Context(), file, mine), "this is a file")
}
