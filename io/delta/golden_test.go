package delta_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
	"clickstream/io/objects"
)

// goldenFolder holds tables of the Delta Lake project, and what delta-rs says of each.
const goldenFolder = "../../../shared/delta-golden"

// golden is what delta-rs says of a table: its files, or why it refuses it.
type golden struct {
	Version int64
	Files   []string // paths as in the log
	Error   string
}

// missing ends a test that lacks what it needs from outside, and says so; under CI=true it fails.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what) //nolint:forbidigo // nobody has to fetch these to test the rest, and CI does
}

func goldenTables(t *testing.T) map[string]golden {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(goldenFolder, "expected.json"))
	if errors.Is(err, fs.ErrNotExist) {
		missing(t, "the golden tables are not there: put those of delta-io/delta's connectors/golden-tables into "+goldenFolder)
	}
	require.NoError(t, err)
	var tables map[string]golden
	require.NoError(t, json.Unmarshal(text, &tables))
	require.NotEmpty(t, tables)
	return tables
}

// beyond are the tables that delta-rs refuses and this package reads, or the other way round, and why.
var beyond = map[string]struct {
	files []string // when it is read
	err   string   // when it is refused
}{
	// The metadata lacks a schema. Delta Lake takes that for no columns, and so do we; delta-rs refuses it.
	"canonicalized-paths-normal-a":  {files: []string{}},
	"canonicalized-paths-special-a": {files: []string{}},
	"corrupted-last-checkpoint":     {files: []string{"0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9"}},
	"update-deleted-directory":      {files: []string{"1", "10", "2", "3", "4", "5", "6", "7", "8", "9"}},

	// These both refuse.
	"deltalog-state-reconstruction-from-checkpoint-missing-metadata": {err: "has no metadata"},
	"deltalog-state-reconstruction-from-checkpoint-missing-protocol": {err: "has no protocol"},
	"deltalog-state-reconstruction-without-metadata":                 {err: "has no metadata"},
	"deltalog-state-reconstruction-without-protocol":                 {err: "has no protocol"},
	"deltalog-invalid-protocol-version":                              {err: "reader version 99"},
	"versions-not-contiguous":                                        {err: "version 1 is missing, and 2 is there"},

	// These need features that the package does not have.
	"dv-partitioned-with-checkpoint": {err: "deletionVectors"},
	"v2-checkpoint-json":             {err: "v2Checkpoint"},
}

func TestGolden(t *testing.T) {
	for name, want := range goldenTables(t) {
		t.Run(name, func(t *testing.T) {
			store := objects.NewFolder(filepath.Join(goldenFolder, name))
			log, err := delta.Open(t.Context(), store, delta.Options{})
			other, isOther := beyond[name]
			if other.err != "" {
				require.ErrorContains(t, err, other.err)
				require.ErrorContains(t, err, name, "it names the table")
				assert.NotContains(t, err.Error(), "\n")
				return
			}
			require.NoError(t, err)
			if isOther {
				want.Files, want.Version = other.files, log.Snapshot().Version
			}
			require.True(t, isOther || want.Error == "", "delta-rs says %s", want.Error)
			assert.Equal(t, want.Version, log.Snapshot().Version)
			assert.Equal(t, want.Files, paths(log.Snapshot()))
			assertFilesAreThere(t, store, log.Snapshot())
		})
	}
}

// assertFilesAreThere checks that names lead to files, where the table comes with its files.
func assertFilesAreThere(t *testing.T, store objects.Store, s *delta.Snapshot) {
	t.Helper()
	there := map[string]int64{}
	for info, err := range store.List(t.Context(), "", "") {
		require.NoError(t, err)
		if filepath.Ext(info.Name) == ".parquet" && info.Name[0] != '_' || info.Name[:2] == "_2" {
			there[info.Name] = info.Size
		}
	}
	if len(there) == 0 {
		return
	}
	for file := range s.Files() {
		name, err := file.Name()
		require.NoError(t, err)
		assert.Equal(t, file.Size, there[name], name)
	}
}

func paths(s *delta.Snapshot) []string {
	paths := []string{}
	for file := range s.Files() {
		paths = append(paths, file.Path)
	}
	slices.Sort(paths)
	return paths
}

// TestGoldenTimeTravel reads a table at versions and times.
func TestGoldenTimeTravel(t *testing.T) {
	goldenTables(t)
	for name, files := range map[string][]int{
		"time-travel-start-start20-start40": {2, 4, 6},
		"snapshot-data3":                    {2, 4, 2, 4},
		"snapshot-repartitioned":            {2, 4, 2, 4, 3, 2},
	} {
		log, err := delta.Open(t.Context(), objects.NewFolder(filepath.Join(goldenFolder, name)), delta.Options{})
		require.NoError(t, err)
		for version, n := range files {
			s, err := log.At(t.Context(), int64(version))
			require.NoError(t, err)
			assert.Equal(t, n, s.Len(), "%s at version %d", name, version)
			require.False(t, s.Time.IsZero())

			asOf, err := log.AsOf(t.Context(), s.Time)
			require.NoError(t, err)
			assert.Equal(t, int64(version), asOf.Version, "%s as of %s", name, s.Time)
		}
	}
}
