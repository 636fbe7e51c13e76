package table_test

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"clickstream/io/table"
	"clickstream/testing/readers"
	"clickstream/transforms/click"
)

// oddPages are pages that a program could take for something else, or cut short. Statistics keep 32 characters; the
// greatest page of each shard is longer, and each is made short in another way.
var oddPages = []string{
	"/é", "/e\u0301", "/日本語", "/🦋", "/two words ", "/100%25", "/new\nline\r\n", "/window_date=2023-11-23/x.parquet",
	"https://example.com/?q=a&b=c#d", "NULL", "0", "/nul\x00", `/a'b"c`, `/back\slash\n`, "\ufeff/mark" + strings.Repeat("é", 30), "/",
	strings.Repeat("\U0010ffff", 40), strings.Repeat("~", 32) + "a", strings.Repeat("~", 32) + "b", "/" + strings.Repeat("é", 4000),
}

// shards of the tables that others read.
const shards = 3

// content returns windows of all shards, that start then, in which pages have n views or a few more, and their rows.
func content(n int64, starts ...time.Time) (windows []table.Window, rows []click.PageView) {
	for _, start := range starts {
		for shard := range shards {
			w := table.Window{Start: start, End: start.Add(time.Minute), Shard: shard, Views: map[string]int64{}}
			w.Offsets = map[int32]click.OffsetRange{0: {First: 10 * n, Next: 10*n + 10}}
			for i, page := range oddPages {
				if int(click.ShardOf(page, shards)) == shard {
					views := n + int64(i%7)
					w.Views[page] = views
					w.Events += views
					rows = append(rows, click.PageView{WindowStart: w.Start, WindowEnd: w.End, PageURL: page, ViewCount: views})
				}
			}
			windows = append(windows, w)
		}
	}
	readers.Sort(rows)
	return windows, rows
}

// viewed is a table that others read.
type viewed struct {
	path string
	table.Table
}

func newViewed(t *testing.T) *viewed {
	t.Helper()
	v := &viewed{path: filepath.Join(t.TempDir(), "page views")}
	v.open(t)
	return v
}

// open opens the table, as another process would.
func (v *viewed) open(t *testing.T) {
	t.Helper()
	var err error
	v.Table, err = table.Open(t.Context(), table.Settings{
		Path: v.path, Format: table.Delta, Topic: "t", Window: time.Minute, Shards: shards, Version: "test", Begin: map[int32]int64{0: 0},
	})
	require.NoError(t, err)
	opened := v.Table
	t.Cleanup(func() { require.NoError(t, opened.Close()) })
}

// put makes the next version, in which windows have the content of n, and returns their rows.
func (v *viewed) put(ctx context.Context, n int64, starts ...time.Time) ([]click.PageView, error) {
	windows, rows := content(n, starts...)
	c, err := v.Replace(ctx, windows)
	if err == nil && c.Written != len(windows) {
		err = fmt.Errorf("%d of %d windows were written", c.Written, len(windows))
	}
	return rows, err
}

// grow makes versions in which windows of three days come and are replaced, and returns when they start, and the
// rows of each version from 0 on.
func (v *viewed) grow(t *testing.T) (starts []time.Time, versions [][]click.PageView) {
	t.Helper()
	for day := range 3 {
		for _, minute := range []int{0, 12*60 + 34, 24*60 - 2, 24*60 - 1} {
			starts = append(starts, time.Date(2023, 11, 22+day, 0, minute, 0, 0, time.UTC))
		}
	}
	versions = [][]click.PageView{{}}
	put := func(n int, starts ...time.Time) {
		rows, err := v.put(t.Context(), int64(n), starts...)
		require.NoError(t, err)
		before := readers.Query{To: starts[0]}.Of(versions[len(versions)-1])
		versions = append(versions, append(before, rows...))
	}
	for i := range starts {
		put(i+1, starts[i:i+1]...)
		put(i+2, starts[max(0, i-1):i+1]...) // and the one before it once more
	}
	for i := range 6 {
		put(100*(i+1), starts[2*i:]...)
	}
	require.NoError(t, v.Close()) // which waits for the checkpoint
	return starts, versions
}

// rowsOf returns what we read of a table.
func rowsOf(t *testing.T, path string, at table.Moment) []click.PageView {
	t.Helper()
	view, err := table.ViewAt(t.Context(), path, at)
	require.NoError(t, err)
	return scan(t, view)
}

func scan(t *testing.T, r table.Reader) []click.PageView {
	t.Helper()
	rows := []click.PageView{}
	for row, err := range r.Scan(t.Context(), table.Filter{}) {
		require.NoError(t, err)
		rows = append(rows, row)
	}
	return rows
}

// assertRead checks what a program reads of a table.
func assertRead(t *testing.T, r *readers.Reader, path string, q readers.Query, want []click.PageView) {
	t.Helper()
	rows, err := r.Read(path, q)
	require.NoError(t, err)
	assert.Equal(t, want, rows)
}

// fromCheckpoint returns a copy of a table with nothing in its log but its newest checkpoint, which is of the newest
// version, and that version's entry: Spark takes its time from there.
func fromCheckpoint(t *testing.T, path string, version int) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(to, os.DirFS(path)))
	entries, err := os.ReadDir(filepath.Join(to, "_delta_log"))
	require.NoError(t, err)
	kept := []string{fmt.Sprintf("%020d.checkpoint.parquet", version), fmt.Sprintf("%020d.json", version), "_last_checkpoint"}
	var left []string
	for _, e := range entries {
		if slices.Contains(kept, e.Name()) {
			left = append(left, e.Name())
			continue
		}
		require.NoError(t, os.Remove(filepath.Join(to, "_delta_log", e.Name())))
	}
	require.Equal(t, kept, left)
	return to
}

// without returns a copy of a table that lacks the data files of all windows but those of some rows.
func without(t *testing.T, path string, rows []click.PageView) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(to, os.DirFS(path)))
	kept := map[string]bool{}
	for _, r := range rows {
		kept[r.WindowStart.Format("20060102T150405Z")] = true
	}
	require.NoError(t, filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		start, _, _ := strings.Cut(d.Name(), "-")
		if err != nil || d.IsDir() || filepath.Base(filepath.Dir(path)) == "_delta_log" || kept[start] {
			return err
		}
		return os.Remove(path)
	}))
	return to
}

// TestOthersReadTheTable has other programs read a table of windows that were replaced: all of it, its checkpoint
// alone, old versions, and a copy where only those files are that statistics lead to; and a table that is written.
func TestOthersReadTheTable(t *testing.T) {
	v := newViewed(t)
	starts, versions := v.grow(t)
	newest := versions[len(versions)-1]
	require.Len(t, newest, len(starts)*len(oddPages))
	require.Equal(t, newest, rowsOf(t, v.path, table.Moment{}))
	checkpoint := fromCheckpoint(t, v.path, len(versions)-1)

	readers.Each(t, func(t *testing.T, r *readers.Reader) {
		t.Run("newest", func(t *testing.T) { assertRead(t, r, v.path, readers.Query{}, newest) })
		t.Run("checkpoint", func(t *testing.T) { assertRead(t, r, checkpoint, readers.Query{}, newest) })
		t.Run("version", func(t *testing.T) {
			for _, version := range []int64{0, 9, 23} {
				require.Equal(t, versions[version], rowsOf(t, v.path, table.Moment{Version: &version}))
				assertRead(t, r, v.path, readers.Query{Version: &version}, versions[version])
			}
		})
		t.Run("page", func(t *testing.T) {
			for _, page := range oddPages[11:] {
				q := readers.Query{Page: page}
				assertRead(t, r, checkpoint, q, q.Of(newest))
			}
		})
		t.Run("skips", func(t *testing.T) {
			for i, q := range []readers.Query{
				{From: starts[5], To: starts[5].Add(time.Microsecond)},
				{From: starts[3], To: starts[5]}, // over midnight
				{From: starts[10]},
				{Date: "2023-11-23"},
				{Date: "2023-11-24", From: starts[11]},
				{Least: 600},
			} {
				assertSkips(t, r, []string{v.path, checkpoint}[i%2], q, newest)
			}
		})
		t.Run("written", func(t *testing.T) { readWhileWritten(t, r, starts[3:5]) })
		if r.Program != readers.DuckDB { // whose extension does not write to files that are there
			t.Run("writes", func(t *testing.T) { othersWrite(t, r) })
		}
		if r.Program == readers.DeltaRS { // Spark's commits to local files hold among those of its own process alone
			t.Run("appends", func(t *testing.T) { othersAppend(t, r, starts[:2]) })
		}
	})
}

// assertSkips checks that a program answers a query of a table where those files are missing that it need not read,
// and that it misses them when it is asked for all.
func assertSkips(t *testing.T, r *readers.Reader, path string, q readers.Query, newest []click.PageView) {
	t.Helper()
	read := q
	if r.Program == readers.DuckDB { // up to 1.5, its extension does not hold times against statistics
		read.From, read.To = time.Time{}, time.Time{}
	}
	there := read.Of(newest)
	path = without(t, path, there)
	want := q.Of(newest)
	require.NotEmpty(t, want)
	require.Less(t, len(want), len(newest))
	assertRead(t, r, path, q, want)
	if len(there) < len(newest) {
		_, err := r.Read(path, readers.Query{})
		require.Error(t, err)
	}
}

// write starts to replace windows, in one commit after another, each with the content of its number, from 1 on. The
// test fails where it fails. newest returns the number of the newest commit; end ends it, and returns that of the last.
func (v *viewed) write(t *testing.T, starts ...time.Time) (newest, end func() int64) {
	t.Helper()
	_, err := v.put(t.Context(), 1, starts...)
	require.NoError(t, err)
	var committed atomic.Int64
	committed.Store(1)
	enough := make(chan struct{})
	writer, writing := errgroup.WithContext(t.Context())
	writer.Go(func() error {
		for n := int64(2); ; n++ {
			select {
			case <-enough:
				return nil
			default:
			}
			if _, err := v.put(writing, n, starts...); err != nil {
				return err
			}
			committed.Store(n)
		}
	})
	newest = func() int64 {
		require.NoError(t, writing.Err(), "it is written")
		return committed.Load()
	}
	return newest, sync.OnceValue(func() int64 {
		close(enough)
		require.NoError(t, writer.Wait())
		return committed.Load()
	})
}

// readWhileWritten has a program read a table of which each commit replaces all windows.
func readWhileWritten(t *testing.T, r *readers.Reader, starts []time.Time) {
	v := newViewed(t)
	newest, end := v.write(t, starts...)
	defer end()
	for reads := 0; reads < 4; {
		before := newest()
		rows, err := r.Read(v.path, readers.Query{})
		require.NoError(t, err)
		after := newest()
		require.NotEmpty(t, rows)
		n := slices.MinFunc(rows, func(a, b click.PageView) int { return cmp.Compare(a.ViewCount, b.ViewCount) }).ViewCount
		_, want := content(n, starts...)
		require.Equal(t, want, rows, "the rows of one commit")
		require.GreaterOrEqual(t, n, before, "the newest when it was asked")
		if after > before {
			reads++
		}
	}
}

// TestOthersReadUsers has a table whose rows tell of users, merged in part.
func TestOthersReadUsers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "views")
	opened, err := table.Open(t.Context(), table.Settings{
		Path: path, Format: table.Delta, Topic: "t", Window: time.Minute, Shards: 1, Steps: click.Steps{Users: true}, Version: "test", Begin: map[int32]int64{0: 0},
	})
	require.NoError(t, err)
	var rows []click.PageView
	for i := range 90 {
		start := time.Date(2023, 11, 22, 10, i, 0, 0, time.UTC)
		w := table.Window{Start: start, End: start.Add(time.Minute), Views: map[string]int64{"/a": 3, "/b": 2}, Users: map[string]int64{"/a": int64(i), "/b": 0}, Events: 5}
		w.Offsets = map[int32]click.OffsetRange{0: {First: 0, Next: 10}}
		_, err := opened.Replace(t.Context(), []table.Window{w})
		require.NoError(t, err)
		for _, page := range []string{"/a", "/b"} {
			rows = append(rows, click.PageView{WindowStart: w.Start, WindowEnd: w.End, PageURL: page, ViewCount: w.Views[page], UniqueUsers: w.Users[page]})
		}
	}
	require.NoError(t, opened.Close())
	for done, err := range table.Compact(t.Context(), path, table.Compaction{Into: time.Hour, Lateness: time.Minute, Version: "test"}) {
		require.NoError(t, err)
		assert.Equal(t, 60, done.Files)
	}
	view, err := table.View(t.Context(), path)
	require.NoError(t, err)
	assert.Equal(t, rows, scan(t, view))
	readers.Each(t, func(t *testing.T, r *readers.Reader) {
		assertRead(t, r, path, readers.Query{Users: true}, rows)
	})
}
