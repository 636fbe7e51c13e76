package table_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/table"
	"clickstream/testing/readers"
	"clickstream/transforms/click"
)

// beside is a table that another program writes to as well.
type beside struct {
	*viewed
	other *readers.Reader
	want  []click.PageView
}

// put replaces windows, and says what of them is to be the table's.
func (b *beside) put(t *testing.T, n int64, starts ...time.Time) {
	t.Helper()
	rows, err := b.viewed.put(t.Context(), n, starts...)
	require.NoError(t, err)
	b.holds(rows)
}

// holds says what the table holds of some windows.
func (b *beside) holds(rows []click.PageView) {
	b.want = append(slices.DeleteFunc(b.want, func(had click.PageView) bool {
		return slices.ContainsFunc(rows, func(r click.PageView) bool { return r.WindowStart.Equal(had.WindowStart) })
	}), rows...)
	readers.Sort(b.want)
}

// check reads the table: as the run that has it open, as one that comes anew, and as the other program.
func (b *beside) check(t *testing.T) {
	t.Helper()
	require.Equal(t, b.want, scan(t, b))
	require.Equal(t, b.want, rowsOf(t, b.path, table.Moment{}))
	assertRead(t, b.other, b.path, readers.Query{}, b.want)
}

// state checks that both know how far the table is, and returns it.
func (b *beside) state(t *testing.T) table.State {
	t.Helper()
	s, err := b.State(t.Context(), 5*time.Minute)
	require.NoError(t, err)
	anew, err := table.View(t.Context(), b.path)
	require.NoError(t, err)
	again, err := anew.State(t.Context(), 5*time.Minute)
	require.NoError(t, err)
	require.Equal(t, s, again)
	return s
}

// forget removes the log's entries of versions before its newest checkpoint.
func (b *beside) forget(t *testing.T) {
	t.Helper()
	checkpoints, err := filepath.Glob(filepath.Join(b.path, "_delta_log", "*.checkpoint.parquet"))
	require.NoError(t, err)
	newest := slices.Max(checkpoints)
	entries, err := filepath.Glob(filepath.Join(b.path, "_delta_log", "*.json"))
	require.NoError(t, err)
	for _, entry := range entries {
		if entry < newest[:len(newest)-len(".checkpoint.parquet")] {
			require.NoError(t, os.Remove(entry))
		}
	}
}

// othersWrite has another program append windows to the table, write its checkpoint and merge its files, and goes on
// after each.
func othersWrite(t *testing.T, other *readers.Reader) {
	b := &beside{viewed: newViewed(t), other: other}
	starts, versions := b.grow(t)
	b.want = versions[len(versions)-1]
	b.open(t)
	before := b.state(t)
	require.Equal(t, starts[11].Add(-4*time.Minute), before.Final)
	require.Equal(t, map[int32]int64{0: 6010}, before.Consumed)

	// Windows that we do not hold: on a day that we do, and on one that we do not.
	between, later := starts[5].Add(time.Hour), starts[11].Add(time.Minute)
	_, rows := content(50, between, later)
	require.NoError(t, other.Append(b.path, rows[:len(oddPages)]...))
	require.NoError(t, other.Append(b.path, rows[len(oddPages):]...))
	b.holds(rows)
	b.check(t)
	require.NoError(t, other.Checkpoint(b.path))
	b.forget(t)
	b.check(t)
	after := before
	after.Final = after.Final.Add(time.Minute)
	require.Equal(t, after, b.state(t))

	b.judges(t, between, 50)
	b.put(t, 700, later, starts[7])
	b.check(t)
	after.Consumed = map[int32]int64{0: 7010}
	require.Equal(t, after.Consumed, b.state(t).Consumed)

	require.NoError(t, other.Optimize(b.path))
	b.check(t)
	merged := b.state(t)
	require.Equal(t, after.Final, merged.Final)
	require.Equal(t, after.Consumed, merged.Consumed)
	b.judges(t, starts[6], 400)
	b.put(t, 800, between, starts[0], starts[6])
	b.check(t)
	require.NoError(t, other.Checkpoint(b.path))
	b.forget(t)
	b.check(t)
	require.Equal(t, map[int32]int64{0: 8010}, b.state(t).Consumed)

	var garbage []string
	for g, err := range table.Vacuum(t.Context(), b.path, 0, true) {
		require.NoError(t, err)
		garbage = append(garbage, g.Name)
	}
	require.NotEmpty(t, garbage)
	theirs, err := other.Vacuum(b.path)
	require.NoError(t, err)
	slices.Sort(garbage)
	assert.Equal(t, garbage, theirs)
}

// othersAppend has another program append windows while we commit others, and finds all of both.
func othersAppend(t *testing.T, other *readers.Reader, starts []time.Time) {
	b := &beside{viewed: newViewed(t), other: other}
	newest, end := b.write(t, starts...)
	defer end()
	begun, appended := newest(), int64(0)
	for appended < 5 || newest() == begun {
		_, rows := content(5, starts[1].Add(time.Duration(appended+1)*time.Minute))
		if err := other.Append(b.path, rows...); err != nil { // as if it had read what we replace: it is to try again
			require.ErrorContains(t, err, "concurrent transaction deleted data")
			continue
		}
		appended++
		b.holds(rows)
	}
	last := end()
	_, rows := content(last, starts...)
	b.holds(rows)
	b.check(t)
	about, err := other.About(b.path)
	require.NoError(t, err)
	assert.Equal(t, last+appended, about.Version, "each commit is a version")
}

// judges checks that what the table holds of a window, which is the content of n, is known: it is not written twice,
// and does not shrink.
func (b *beside) judges(t *testing.T, start time.Time, n int64) {
	t.Helper()
	same, _ := content(n, start)
	c, err := b.Replace(t.Context(), same)
	require.NoError(t, err)
	assert.Equal(t, table.Commit{Unchanged: shards}, c)
	less, _ := content(n-1, start)
	c, err = b.Replace(t.Context(), less)
	require.NoError(t, err)
	assert.Len(t, c.Refused, shards, fmt.Sprint(c))
}
