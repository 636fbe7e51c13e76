package objects_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/objects"
	"clickstream/testing/storetest"
)

func TestFolder(t *testing.T) {
	storetest.Run(t, func(t *testing.T) (objects.Store, objects.Store) {
		root := filepath.Join(t.TempDir(), "not", "there")
		return objects.NewFolder(root), objects.NewFolder(root)
	})
}

// TestFolderSweepsLeftovers has what killed processes left aside go, and nothing else.
func TestFolderSweepsLeftovers(t *testing.T) {
	root := t.TempDir()
	aside := filepath.Join(root, "_staging")
	require.NoError(t, os.Mkdir(aside, 0o777))
	old := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{"object-old", "object-young", "of another program"} {
		require.NoError(t, os.WriteFile(filepath.Join(aside, name), nil, 0o666))
		if name != "object-young" {
			require.NoError(t, os.Chtimes(filepath.Join(aside, name), old, old))
		}
	}
	require.NoError(t, objects.NewFolder(root).Put(t.Context(), "a", nil))
	entries, err := os.ReadDir(aside)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	assert.Equal(t, "object-young", entries[0].Name())
	assert.Equal(t, "of another program", entries[1].Name())
}

func TestFolderNamesWhatIsInTheWay(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "file"), nil, 0o666))
	err := objects.NewFolder(filepath.Join(root, "file")).Put(t.Context(), "a", nil)
	require.Error(t, err)
	assert.Contains(t, err.Error(), filepath.Join(root, "file"))
}

func TestFolderMakesFilesAsTheUserWants(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "plain"), nil, 0o666))
	require.NoError(t, objects.NewFolder(root).PutIfAbsent(t.Context(), "object", nil))
	plain, err := os.Stat(filepath.Join(root, "plain"))
	require.NoError(t, err)
	object, err := os.Stat(filepath.Join(root, "object"))
	require.NoError(t, err)
	assert.Equal(t, plain.Mode(), object.Mode())
}
