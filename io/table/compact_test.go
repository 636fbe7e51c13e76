package table

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/transforms/click"
)

// deltaSettings are those of a Delta table with that many shards.
func deltaSettings(root string, shards int) Settings {
	s := settings(root)
	s.Format, s.Shards, s.Begin = Delta, shards, map[int32]int64{3: 10}
	return s
}

func compactAll(t require.TestingT, root string, c Compaction) []Compacted {
	var all []Compacted
	for done, err := range Compact(context.Background(), root, c) {
		require.NoError(t, err)
		all = append(all, done)
	}
	return all
}

// spread returns the windows of a minute of all shards.
func spread(minute, shards int, views map[string]int64) []Window {
	ws := make([]Window, shards)
	for shard := range ws {
		ws[shard] = window(minute, map[string]int64{})
		ws[shard].Shard = shard
	}
	for page, n := range views {
		w := &ws[click.ShardOf(page, shards)]
		w.Views[page] = n
		w.Events += n
	}
	return ws
}

func infos(t require.TestingT, r Reader) []Info {
	var all []Info
	for info, err := range r.Windows(context.Background(), Span{}) {
		require.NoError(t, err)
		info.Bytes = 0
		all = append(all, info)
	}
	return all
}

// snapshot returns what the log says of the table.
func snapshot(t require.TestingT, root string) *delta.Snapshot {
	store, err := objects.Open(context.Background(), root)
	require.NoError(t, err)
	log, err := delta.Open(context.Background(), store, delta.Options{})
	require.NoError(t, err)
	return log.Snapshot()
}

func TestCompactMergesClosedWindows(t *testing.T) {
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			s := deltaSettings(t.TempDir(), shards)
			table := open(t, s)
			for minute := 1; minute <= 130; minute += 10 {
				var ws []Window
				for i := range 10 {
					ws = append(ws, spread(minute+i, shards, pages(20, int64(minute+i)))...)
				}
				replace(t, table, ws...)
			}
			wantRows, wantInfos := rows(t, table, Filter{}), infos(t, table)
			wantState, err := table.State(t.Context(), 5*time.Minute)
			require.NoError(t, err)
			before := snapshot(t, s.Path)

			hours := Compaction{Into: time.Hour, Lateness: 5 * time.Minute, Version: "v2"}
			dry := hours
			dry.DryRun = true
			planned := compactAll(t, s.Path, dry)
			assert.Equal(t, before.Version, snapshot(t, s.Path).Version, "it was a dry run")
			done := compactAll(t, s.Path, hours)
			require.Len(t, done, 2, "the third hour is open")
			assert.Equal(t, Compacted{Start: at(1), End: at(61), Files: 60 * shards, Made: shards, Bytes: done[0].Bytes, Shrunk: done[0].Shrunk}, done[0])
			assert.Less(t, done[0].Shrunk, done[0].Bytes/4)
			require.Len(t, planned, 2)
			assert.Equal(t, done[1].Files, planned[1].Files)
			after := snapshot(t, s.Path)
			assert.Equal(t, (2+10)*shards, after.Len())
			for add := range after.Files() {
				assert.NotEmpty(t, add.Stats)
			}
			for removed := range after.Tombstones() {
				assert.False(t, removed.DataChange)
			}

			check := func() {
				t.Helper()
				assert.Equal(t, wantRows, rows(t, table, Filter{}))
				assert.Equal(t, wantInfos, infos(t, table))
				assert.Equal(t, rowsOf(wantRows, 59, 62), rows(t, table, Filter{Span: Span{From: at(59), To: at(63)}}), "over the border")
				state, err := table.State(t.Context(), 5*time.Minute)
				require.NoError(t, err)
				assert.Equal(t, wantState, state)
			}
			check()
			assert.Empty(t, compactAll(t, s.Path, hours), "all is done")
			for _, err := range Vacuum(t.Context(), s.Path, 0, false) {
				require.NoError(t, err)
			}
			check()
			require.NoError(t, table.Close())
		})
	}
}

// rowsOf returns those of minutes from first to last.
func rowsOf(all []string, first, last int) []string {
	return slices.DeleteFunc(slices.Clone(all), func(row string) bool {
		var minute int
		_, _ = fmt.Sscan(row, &minute)
		return minute < first || minute > last
	})
}

func TestWindowOfAMergedFileIsReplaced(t *testing.T) {
	s := deltaSettings(t.TempDir(), 2)
	table := open(t, s)
	for minute := 1; minute <= 70; minute += 10 {
		var ws []Window
		for i := range 10 {
			ws = append(ws, spread(minute+i, 2, pages(10, 3))...)
		}
		replace(t, table, ws...)
	}
	before := infos(t, table)
	compactAll(t, s.Path, Compaction{Into: time.Hour})
	require.Equal(t, 2+20, snapshot(t, s.Path).Len())

	c := replace(t, table, spread(20, 2, pages(10, 3))...)
	assert.Equal(t, 2, c.Unchanged, "the same rows")
	c = replace(t, table, spread(20, 2, pages(10, 2))...)
	assert.Len(t, c.Refused, 2, "a window never shrinks")
	c = replace(t, table, spread(20, 2, pages(11, 4))...)
	assert.Equal(t, 2, c.Written)
	assert.Equal(t, 2+2+20, snapshot(t, s.Path).Len(), "a file of the rest, one of the window")

	want := slices.Concat(rowsOf(rows(t, table, Filter{}), 1, 19), minuteRows(20, 11, 4), rowsOf(rows(t, table, Filter{}), 21, 70))
	assert.Equal(t, want, rows(t, table, Filter{}))
	after := infos(t, table)
	require.Len(t, after, len(before))
	for i := range after {
		if !after[i].Start.Equal(at(20)) {
			assert.Equal(t, before[i], after[i])
		}
	}
	require.Len(t, compactAll(t, s.Path, Compaction{Into: time.Hour}), 1)
	assert.Equal(t, want, rows(t, table, Filter{}))
	assert.Equal(t, after, infos(t, table))
	require.NoError(t, table.Close())
}

func minuteRows(minute, n int, views int64) []string {
	var want []string
	for _, page := range slices.Sorted(maps.Keys(pages(n, views))) {
		want = append(want, fmt.Sprintf("%d %s %d", minute, page, views))
	}
	return want
}

// TestMergingBesideWriters has a run replace windows while others merge them, those it replaces among them.
func TestMergingBesideWriters(t *testing.T) {
	s := deltaSettings(t.TempDir(), 1)
	run := open(t, s)
	for minute := 1; minute <= 121; minute += 11 {
		var ws []Window
		for i := range 11 {
			ws = append(ws, window(minute+i, pages(5, 1)))
		}
		replace(t, run, ws...)
	}
	var mergers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		mergers.Go(func() {
			for ended := false; !ended; {
				select {
				case <-done:
					ended = true // and once more, after all writes
				default:
				}
				for _, err := range Compact(t.Context(), s.Path, Compaction{Into: time.Hour}) {
					assert.NoError(t, err)
				}
			}
		})
	}
	for views := int64(2); views <= 4; views++ {
		for minute := 1; minute <= 121; minute += 20 {
			replace(t, run, window(minute, pages(5, views)))
		}
	}
	close(done)
	mergers.Wait()
	var want []string
	for minute := 1; minute <= 121; minute++ {
		views := int64(1)
		if minute%20 == 1 {
			views = 4
		}
		want = append(want, minuteRows(minute, 5, views)...)
	}
	assert.Equal(t, want, rows(t, run, Filter{}))
	assert.Equal(t, 3, snapshot(t, s.Path).Len())
	require.NoError(t, run.Close())
}

// TestTableIsAsAModel replaces random windows, merges random spans, and holds the table against a map.
func TestTableIsAsAModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		shards := rapid.IntRange(1, 3).Draw(r, "shards")
		s := deltaSettings(t.TempDir(), shards)
		if shards == 1 {
			s.Top = rapid.IntRange(0, 3).Draw(r, "top")
		}
		table := open(r, s)
		model := map[int]map[string]int64{} // by minute
		for range rapid.IntRange(1, 6).Draw(r, "steps") {
			if rapid.IntRange(0, 3).Draw(r, "step") == 0 {
				into := rapid.SampledFrom([]time.Duration{time.Hour, 24 * time.Hour}).Draw(r, "into")
				compactAll(r, s.Path, Compaction{Into: into, Lateness: time.Duration(rapid.IntRange(0, 90).Draw(r, "lateness")) * time.Minute})
			} else {
				var ws []Window
				for minute := range rapid.MapOfN(rapid.IntRange(-40, 100), rapid.Bool(), 1, 4).Draw(r, "minutes") {
					views := maps.Clone(model[minute])
					if views == nil {
						views = map[string]int64{}
					}
					for _, page := range rapid.SliceOfN(rapid.SampledFrom([]string{"/a", "/b", "/c", "/d"}), 1, 4).Draw(r, "pages") {
						views[page]++
					}
					model[minute] = views
					ws = append(ws, spread(minute, shards, views)...)
				}
				for i := range ws {
					ws[i].KeepTop(s.Top)
				}
				replace(r, table, slices.DeleteFunc(ws, func(w Window) bool { return w.Events == 0 })...)
			}
			want := []string{}
			for _, minute := range slices.Sorted(maps.Keys(model)) {
				for _, page := range topOf(model[minute], s.Top) {
					want = append(want, fmt.Sprintf("%d %s %d", minute, page, model[minute][page]))
				}
			}
			require.Equal(r, want, rows(r, table, Filter{}))
			for _, info := range infos(r, table) {
				require.Equal(r, map[int32]click.OffsetRange{3: {First: 10, Next: 20}}, info.Offsets)
				require.Equal(r, "v1", info.Version)
			}
		}
		require.NoError(r, table.Close())
	})
}

// topOf returns the n most viewed pages, or all, by page.
func topOf(views map[string]int64, n int) []string {
	pages := slices.Sorted(maps.Keys(views))
	if n > 0 {
		slices.SortStableFunc(pages, func(a, b string) int { return cmp.Compare(views[b], views[a]) })
		pages = pages[:min(n, len(pages))]
	}
	slices.Sort(pages)
	return pages
}

func TestCompactRefusesWhatIsNoDeltaTable(t *testing.T) {
	for _, err := range Compact(t.Context(), t.TempDir(), Compaction{Into: time.Hour}) {
		require.ErrorContains(t, err, "there is no Delta table")
	}
}

// TestWhatConcernsAReplacement tells which files of others, added meanwhile, have a commit planned anew.
func TestWhatConcernsAReplacement(t *testing.T) {
	s := deltaSettings(t.TempDir(), 2)
	opened := open(t, s)
	table := opened.(*deltaTable)
	w := window(5, pages(2, 1))
	add := func(object, stats string) *delta.Add {
		return &delta.Add{Path: delta.EscapePath(object), PartitionValues: delta.Values{dateColumn: "2026-11-23"}, Stats: stats}
	}
	ours := func(minute, shard int, length time.Duration) *delta.Add {
		return add(deltaName(name{at(minute), length, shard, 2}), "")
	}
	theirs := func(first, last int) *delta.Add {
		stats := delta.NewStats(1).Time("window_start", at(first), at(last), 0).Time("window_end", at(first+1), at(last+1), 0)
		return add(w.Start.Format("window_date=2006-01-02/")+"part-00000.snappy.parquet", stats.String())
	}
	concerns := table.transaction(table.log.Snapshot(), []*upload{{
		change: &change{Window: &w, name: name{w.Start, time.Minute, 0, 2}}, add: &delta.Add{},
	}}, nil, &Commit{}).Concerns
	for what, c := range map[string]struct {
		add  *delta.Add
		want bool
	}{
		"its window of its shard":          {ours(5, 0, time.Minute), true},
		"its window of another shard":      {ours(5, 1, time.Minute), false},
		"the next window":                  {ours(6, 0, time.Minute), false},
		"windows with it among them":       {ours(1, 0, time.Hour), true},
		"windows before it":                {ours(1, 0, 4*time.Minute), false},
		"another program's rows of it":     {theirs(1, 5), true},
		"another program's, of others":     {theirs(6, 9), false},
		"another program's, who knows of":  {add(w.Start.Format("window_date=2006-01-02/")+"x.parquet", ""), true},
		"a file that is of no date at all": {&delta.Add{Path: "x.parquet"}, true},
	} {
		assert.Equal(t, c.want, concerns(c.add), what)
	}
	require.NoError(t, opened.Close())
}

// TestDamagedMergedFile sees that the way out that is named is none that needs the file itself.
func TestDamagedMergedFile(t *testing.T) {
	s := deltaSettings(t.TempDir(), 1)
	table := open(t, s)
	replace(t, table, window(1, pages(3, 1)), window(2, pages(3, 1)), window(61, pages(3, 1)))
	require.Len(t, compactAll(t, s.Path, Compaction{Into: time.Hour}), 1)
	merged, err := filepath.Glob(filepath.Join(s.Path, "window_date=*", "*-2m0s-*"))
	require.NoError(t, err)
	require.Len(t, merged, 1)
	require.NoError(t, os.Truncate(merged[0], 100))
	_, err = table.Replace(t.Context(), []Window{window(1, pages(3, 2))})
	require.ErrorContains(t, err, "is damaged: 100 bytes")
	require.ErrorContains(t, err, "; restore it from a copy, or count into another --table")
	require.NoError(t, table.Close())
}

// TestRestoredTableStopsTheRun has somebody restore an older version, or delete rows, beside a run: going on would
// leave a hole.
func TestRestoredTableStopsTheRun(t *testing.T) {
	s := deltaSettings(t.TempDir(), 2)
	run := open(t, s)
	for minute := 1; minute <= 5; minute++ {
		replace(t, run, spread(minute, 2, pages(4, 1))...)
	}
	store, err := objects.Open(t.Context(), s.Path)
	require.NoError(t, err)
	log, err := delta.Open(t.Context(), store, delta.Options{})
	require.NoError(t, err)
	tx := delta.Transaction{Read: log.Snapshot(), Operation: "RESTORE"}
	for add := range log.Snapshot().Files() {
		if n, ok := parseDeltaName(strings.ReplaceAll(add.Path, "%3D", "=")); ok && !n.start.Before(at(4)) {
			tx.Remove = append(tx.Remove, add.Remove(time.Now(), true))
		}
	}
	require.Len(t, tx.Remove, 4)
	_, err = log.Commit(t.Context(), tx)
	require.NoError(t, err)

	_, err = run.Replace(t.Context(), spread(6, 2, pages(4, 1)))
	require.ErrorContains(t, err, "no longer holds the window of 2026-11-23T")
	require.ErrorContains(t, err, "start the run again, and it counts them anew")
	require.NoError(t, run.Close())

	run = open(t, s)
	state, err := run.State(t.Context(), time.Minute)
	require.NoError(t, err)
	assert.Equal(t, at(3), state.Final, "it goes on where the table is")
	replace(t, run, append(spread(4, 2, pages(4, 1)), spread(5, 2, pages(4, 1))...)...)
	require.NoError(t, run.Close())
}
