package table

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func vacuum(t *testing.T, root string, retain time.Duration, dryRun bool) []string {
	t.Helper()
	var names []string
	for g, err := range Vacuum(t.Context(), root, retain, dryRun) {
		require.NoError(t, err)
		assert.Positive(t, g.Bytes)
		names = append(names, g.Name)
	}
	return names
}

func TestVacuumRemovesWhatNoVersionNeeds(t *testing.T) {
	s := settings(t.TempDir())
	s.Format = Delta
	table := open(t, s)
	replace(t, table, window(1, pages(2, 1)), window(2, pages(2, 1)))
	replace(t, table, window(1, pages(2, 5)))
	orphan := filepath.Join(s.Path, "window_date=2026-11-23", "20261123T000000Z-1m0s-00000-of-00001-0badcafe.parquet")
	require.NoError(t, os.WriteFile(orphan, []byte("never committed"), 0o600))
	want := rows(t, table, Filter{})

	assert.Empty(t, vacuum(t, s.Path, time.Hour, false), "readers and writers of the last hour need them")
	assert.Len(t, vacuum(t, s.Path, 0, true), 2)
	assert.FileExists(t, orphan, "it was a dry run")
	assert.Len(t, vacuum(t, s.Path, 0, false), 2)
	assert.NoFileExists(t, orphan)
	assert.Empty(t, vacuum(t, s.Path, 0, false))
	assert.Equal(t, want, rows(t, table, Filter{}))
	replace(t, table, window(2, pages(2, 7)))
	require.NoError(t, table.Close())
}

// TestVacuumByAWrongClock vacuums by a clock that is ahead or behind. Files of the newest version stay; a clock that is
// behind takes nothing at all, as all was written after then.
func TestVacuumByAWrongClock(t *testing.T) {
	s := settings(t.TempDir())
	s.Format = Delta
	table := open(t, s)
	replace(t, table, window(1, pages(2, 1)), window(2, pages(2, 1)))
	replace(t, table, window(1, pages(2, 5)))
	want := rows(t, table, Filter{})
	for _, c := range []struct {
		years   int
		retain  time.Duration
		removed int
	}{{-1, 0, 0}, {-50, 0, 0}, {1, 2 * 365 * 24 * time.Hour, 0}, {1, 7 * 24 * time.Hour, 1}, {50, 0, 0}} {
		removed := 0
		for _, err := range vacuumAt(t.Context(), s.Path, c.retain, false, func() time.Time { return time.Now().AddDate(c.years, 0, 0) }) {
			require.NoError(t, err)
			removed++
		}
		assert.Equal(t, c.removed, removed, "%+v", c)
		assert.Equal(t, want, rows(t, table, Filter{}))
		require.NoError(t, CheckFiles(t.Context(), table, time.Time{}))
	}
	replace(t, table, window(1, pages(2, 7)))
	require.NoError(t, table.Close())
}

func TestVacuumRefusesWhatIsNoDeltaTable(t *testing.T) {
	for _, err := range Vacuum(t.Context(), t.TempDir(), 0, false) {
		require.ErrorContains(t, err, "no Delta table")
	}
}

func TestViewOfAVersion(t *testing.T) {
	s := settings(t.TempDir())
	s.Format = Delta
	table := open(t, s)
	replace(t, table, window(1, map[string]int64{"/a": 1}))
	replace(t, table, window(1, map[string]int64{"/a": 2}))
	require.NoError(t, table.Close())

	one, nine := int64(1), int64(9)
	then, err := ViewAt(t.Context(), s.Path, Moment{Version: &one})
	require.NoError(t, err)
	assert.Equal(t, []string{"1 /a 1"}, rows(t, then, Filter{}))
	now, err := ViewAt(t.Context(), s.Path, Moment{Time: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	assert.Equal(t, []string{"1 /a 2"}, rows(t, now, Filter{}))
	_, err = ViewAt(t.Context(), s.Path, Moment{Version: &nine})
	require.ErrorContains(t, err, "version 9")
	_, err = ViewAt(t.Context(), s.Path, Moment{Time: time.Now().Add(-time.Hour)})
	require.ErrorContains(t, err, "earliest")
	_, err = ViewAt(t.Context(), t.TempDir(), Moment{Version: &one})
	require.ErrorContains(t, err, "no Delta table")
}
