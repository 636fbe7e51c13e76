package table

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckFiles(t *testing.T) {
	s := settings(t.TempDir())
	s.Format = Delta
	table := open(t, s)
	replace(t, table, window(0, pages(1, 1)), window(1, pages(1, 1)), window(2, pages(1, 1)), window(3, pages(3, 1))) // of two days
	replace(t, table, window(3, pages(4, 1)))
	view, err := View(t.Context(), s.Path)
	require.NoError(t, err)
	check := func(from time.Time) error {
		first, second := CheckFiles(t.Context(), table, from), CheckFiles(t.Context(), view, from)
		assert.Equal(t, first, second)
		return first
	}
	require.NoError(t, check(time.Time{}))

	file := func(stamp string) string {
		found, err := filepath.Glob(filepath.Join(s.Path, "window_date=*", stamp+"-*"))
		require.NoError(t, err)
		require.NotEmpty(t, found)
		return found[0]
	}
	require.NoError(t, os.Remove(file("20261122T235900Z")))
	require.NoError(t, check(at(1)), "it is older")
	err = check(at(0))
	require.ErrorContains(t, err, "table "+s.Path+": version 2 of its log names window_date=2026-11-22/20261122T235900Z-1m0s-00000-of-00001-")
	require.ErrorContains(t, err, "which is not there; restore it from a copy")

	require.NoError(t, os.WriteFile(file("20261123T000100Z"), []byte("text"), 0o600))
	require.ErrorContains(t, check(at(1)), " has 4 bytes, and version 2 of the log says ")
	require.NoError(t, check(at(3)))

	folder := open(t, settings(t.TempDir()))
	replace(t, folder, window(1, pages(1, 1)))
	require.NoError(t, CheckFiles(t.Context(), folder, time.Time{}), "it has no log")
}
