package table

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

	"clickstream/transforms/click"
)

var day = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// at returns the start of a minute's window: minute 0 is the last one of the day before.
func at(minute int) time.Time { return day.Add(time.Duration(minute-1) * time.Minute) }

func settings(root string) Settings {
	return Settings{Path: root, Format: Parquet, Topic: "clicks", Cluster: "c1", Window: time.Minute, Shards: 1, Version: "v1"}
}

// eachFormat runs f with the settings of a table of each format.
func eachFormat(t *testing.T, f func(t *testing.T, s Settings)) {
	for _, format := range []string{Parquet, Delta} {
		t.Run(format, func(t *testing.T) {
			s := settings(t.TempDir())
			s.Format = format
			f(t, s)
		})
	}
}

func open(t require.TestingT, s Settings) Table {
	table, err := Open(context.Background(), s)
	require.NoError(t, err)
	return table
}

// window returns a minute's window in which each page has been viewed as often as views tells.
func window(minute int, views map[string]int64) Window {
	w := Window{
		Start: at(minute), End: at(minute + 1), Views: views,
		Offsets: map[int32]click.OffsetRange{3: {First: 10, Next: 20}}, Schemas: []int32{4},
	}
	for _, n := range views {
		w.Events += n
	}
	return w
}

// pages returns views of n pages, each viewed as often as times tells.
func pages(n int, times int64) map[string]int64 {
	views := map[string]int64{}
	for i := range n {
		views[fmt.Sprintf("/p/%05d", i)] = times
	}
	return views
}

func replace(t require.TestingT, table Table, ws ...Window) Commit {
	c, err := table.Replace(context.Background(), ws)
	require.NoError(t, err)
	return c
}

// rows returns all rows that f chooses, as «minute page views».
func rows(t require.TestingT, r Reader, f Filter) []string {
	got := []string{}
	for row, err := range r.Scan(context.Background(), f) {
		require.NoError(t, err)
		minute := int(row.WindowStart.Sub(day)/time.Minute) + 1
		require.Equal(t, at(minute+1), row.WindowEnd)
		got = append(got, fmt.Sprintf("%d %s %d", minute, row.PageURL, row.ViewCount))
	}
	return got
}

// visible returns what readers of the folder see, and what lies aside.
func visible(t require.TestingT, root string) (files, aside []string) {
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		below, err := filepath.Rel(root, path)
		if strings.HasPrefix(below, staging) {
			if base := filepath.Base(path); base != ownerFile && base != commitFile {
				aside = append(aside, below)
			}
		} else {
			files = append(files, below)
		}
		return err
	}))
	return files, aside
}

func TestReplaceWritesWholeWindows(t *testing.T) {
	root := filepath.Join(t.TempDir(), "silver", "page_views")
	table := open(t, settings(root))
	c := replace(t, table, window(2, map[string]int64{"/b": 2, "/a": 1}), window(0, map[string]int64{"/=\n🦦": 3}), window(1, map[string]int64{"/a": 4}))
	assert.Equal(t, 3, c.Written)
	assert.Equal(t, 3, c.Files)
	assert.EqualValues(t, 4, c.Rows)
	assert.Equal(t, []string{"0 /=\n🦦 3", "1 /a 4", "2 /a 1", "2 /b 2"}, rows(t, table, Filter{}))

	files, aside := visible(t, root)
	assert.Empty(t, aside)
	assert.Equal(t, []string{
		"window_date=2026-11-22/20261122T235900Z-1m0s-00000-of-00001.parquet",
		"window_date=2026-11-23/20261123T000000Z-1m0s-00000-of-00001.parquet",
		"window_date=2026-11-23/20261123T000100Z-1m0s-00000-of-00001.parquet",
	}, files)
	var size int64
	for _, file := range files {
		info, err := os.Stat(filepath.Join(root, file))
		require.NoError(t, err)
		size += info.Size()
	}
	assert.Equal(t, size, c.Bytes)

	c = replace(t, table, window(1, map[string]int64{"/b": 5}))
	assert.Equal(t, 1, c.Written)
	assert.Equal(t, []string{"1 /b 5"}, rows(t, table, Filter{Span: Span{From: at(1), To: at(2)}}))

	require.NoError(t, table.Close())
	left, err := os.ReadDir(filepath.Join(root, staging))
	require.NoError(t, err)
	require.Len(t, left, 1)
	assert.Equal(t, commitFile, left[0].Name())
}

func TestReplaceOfNothing(t *testing.T) {
	eachFormat(t, func(t *testing.T, s Settings) {
		table := open(t, s)
		assert.Zero(t, replace(t, table))
		require.NoError(t, table.Close())
	})
}

func TestReplaceNeverShrinks(t *testing.T) {
	eachFormat(t, func(t *testing.T, s Settings) {
		for name, reopened := range map[string]bool{"in the same process": false, "in the next one": true} {
			t.Run(name, func(t *testing.T) {
				s := s
				s.Path = t.TempDir()
				table := open(t, s)
				replace(t, table, window(1, map[string]int64{"/a": 5, "/b": 5}), window(2, pages(1, 1)))
				if reopened {
					require.NoError(t, table.Close())
					table = open(t, s)
				}
				c := replace(t, table, window(1, map[string]int64{"/a": 9}), window(2, pages(1, 2)))
				assert.Equal(t, []Refusal{{Start: at(1), End: at(2), Held: 10, Offered: 9}}, c.Refused)
				assert.Equal(t, "window 2026-11-23T00:00:00Z of shard 0 holds 10 events: a replacement with 9 was refused", c.Refused[0].String())
				assert.Equal(t, 1, c.Written)
				assert.Equal(t, []string{"1 /a 5", "1 /b 5", "2 /p/00000 2"}, rows(t, table, Filter{}))
				require.NoError(t, table.Close())
			})
		}
	})
}

func TestReplaceOfTheSameRowsWritesNothing(t *testing.T) {
	root := t.TempDir()
	table := open(t, settings(root))
	w := window(1, map[string]int64{"/a": 5, "/b": 4})
	replace(t, table, w)
	path := filepath.Join(root, name{at(1), time.Minute, 0, 1}.path())
	before, err := os.Stat(path)
	require.NoError(t, err)

	w.Offsets = nil // where they were read from is no matter
	assert.Equal(t, Commit{Unchanged: 1}, replace(t, table, w))
	after, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after))

	// As many events in other rows are another reading of Kafka.
	assert.Equal(t, 1, replace(t, table, window(1, map[string]int64{"/a": 4, "/b": 5})).Written)
	assert.Equal(t, []string{"1 /a 4", "1 /b 5"}, rows(t, table, Filter{}))
	require.NoError(t, table.Close())
}

func TestReplaceSeesWhatOthersDid(t *testing.T) {
	root := t.TempDir()
	one, two := open(t, settings(root)), open(t, settings(root))
	replace(t, one, window(1, pages(1, 1)))
	replace(t, two, window(1, pages(1, 5)))
	assert.Len(t, replace(t, one, window(1, pages(1, 3))).Refused, 1)
	assert.Equal(t, 1, replace(t, one, window(1, pages(1, 5))).Unchanged)

	require.NoError(t, os.RemoveAll(filepath.Join(root, name{start: at(1)}.folder())))
	assert.Equal(t, 1, replace(t, one, window(1, pages(1, 3))).Written)
	assert.Equal(t, []string{"1 /p/00000 3"}, rows(t, two, Filter{}))
	require.NoError(t, one.Close())
	require.NoError(t, two.Close())
}

// Two instances, several goroutines each, write growing windows in any order: the largest of each one stays.
func TestReplaceAtOnce(t *testing.T) {
	eachFormat(t, func(t *testing.T, s Settings) {
		const minutes, rounds = 4, 12
		var group sync.WaitGroup
		for range 2 {
			table := open(t, s)
			t.Cleanup(func() { assert.NoError(t, table.Close()) })
			for range 2 {
				group.Go(func() {
					for round := range rounds {
						var ws []Window
						for minute := range minutes {
							ws = append(ws, window(minute, pages(3, 1+int64((round*5+minute)%rounds))))
						}
						_, err := table.Replace(context.Background(), ws)
						assert.NoError(t, err)
					}
				})
			}
		}
		group.Wait()
		reader, err := View(context.Background(), s.Path)
		require.NoError(t, err)
		listed := 0
		for info, err := range reader.Windows(context.Background(), Span{}) {
			require.NoError(t, err)
			assert.EqualValues(t, 3*rounds, info.Events, info.Start)
			listed++
		}
		assert.Equal(t, minutes, listed)
		_, aside := visible(t, s.Path)
		assert.Empty(t, aside)
	})
}

// Any sequence of replacements, by any of two instances, against a map.
func TestReplaceAgainstModel(t *testing.T) {
	eachFormat(t, func(t *testing.T, s Settings) {
		dir, run := t.TempDir(), 0
		rapid.Check(t, func(t *rapid.T) {
			run++
			root := filepath.Join(dir, fmt.Sprint(run))
			s := s
			s.Path, s.Shards = root, 2
			tables := []Table{open(t, s), open(t, s)}
			type key struct{ minute, shard int }
			model := map[key]Window{}

			for range rapid.IntRange(1, 5).Draw(t, "replacements") {
				table := tables[rapid.IntRange(0, 1).Draw(t, "table")]
				keys := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) key {
					return key{rapid.IntRange(0, 3).Draw(t, "minute"), rapid.IntRange(0, 1).Draw(t, "shard")}
				}), 0, 5, rapid.ID).Draw(t, "keys")
				var ws []Window
				var want Commit
				var published int64
				for _, k := range keys {
					own := [][]string{{"/a", "/c=\x00", "é"}, {"/b", "/c", "🦦"}}[k.shard] // a page is of one shard
					w := window(k.minute, rapid.MapOfN(rapid.SampledFrom(own), rapid.Int64Range(1, 3), 0, 3).Draw(t, "views"))
					w.Shard = k.shard
					ws = append(ws, w)
					held, ok := model[k]
					switch {
					case ok && held.Events > w.Events:
						want.Refused = append(want.Refused, Refusal{w.Start, w.End, k.shard, held.Events, w.Events})
					case ok && maps.Equal(held.Views, w.Views):
						want.Unchanged++
					default:
						if !ok {
							published++
						}
						model[k] = w
						want.Written++
						want.Windows = append(want.Windows, w.Start)
						want.Rows += int64(len(w.Views))
					}
				}
				slices.SortFunc(want.Refused, func(a, b Refusal) int {
					return name{start: a.Start, shard: a.Shard}.compare(name{start: b.Start, shard: b.Shard})
				})
				slices.SortFunc(want.Windows, time.Time.Compare)
				got := replace(t, table, ws...)
				want.Files, want.Bytes = want.Written, got.Bytes
				require.Equal(t, want.Written > 0, got.Took > 0)
				require.Equal(t, published, got.Published.Count(), "windows that are new")
				got.Took, got.Published = 0, click.Durations{}
				require.Equal(t, want, got)
			}

			want := []string{}
			for minute := range 4 {
				var lines []string
				for shard := range 2 {
					for page, n := range model[key{minute, shard}].Views {
						lines = append(lines, fmt.Sprintf("%d %s %d", minute, page, n))
					}
				}
				slices.Sort(lines)
				want = append(want, lines...)
			}
			require.Equal(t, want, rows(t, tables[0], Filter{}))
			require.NoError(t, tables[0].Close())
			require.NoError(t, tables[1].Close())
		})
	})
}

func TestReplaceRefusesFaultsOfTheProgram(t *testing.T) {
	root := t.TempDir()
	table := open(t, settings(root))
	good := window(1, pages(1, 1))
	change := func(f func(*Window)) Window { w := good; f(&w); return w }
	for what, ws := range map[string][]Window{
		"given twice":         {good, good},
		"shard 1 is none":     {change(func(w *Window) { w.Shard = 1 })},
		"is not one of 1m0s":  {change(func(w *Window) { w.End = w.End.Add(time.Second) })},
		"whole millisecond":   {change(func(w *Window) { w.Start, w.End = w.Start.Add(1), w.End.Add(1) })},
		"its events are 7":    {window(0, pages(1, 1)), change(func(w *Window) { w.Events = 7 })},
		"has 0 views":         {change(func(w *Window) { w.Views, w.Events = map[string]int64{"/": 0}, 0 })},
		"is not valid UTF-8":  {change(func(w *Window) { w.Views = map[string]int64{"\xff": 1} })},
		"shard -1 is none of": {change(func(w *Window) { w.Shard = -1 })},
	} {
		c, err := table.Replace(context.Background(), ws)
		require.ErrorContains(t, err, what)
		require.ErrorContains(t, err, root)
		assert.Zero(t, c)
	}
	files, aside := visible(t, root)
	assert.Empty(t, files)
	assert.Empty(t, aside)
	require.NoError(t, table.Close())

	two := settings(t.TempDir())
	two.Top = 2
	table = open(t, two)
	_, err := table.Replace(context.Background(), []Window{window(1, pages(3, 1))})
	require.ErrorContains(t, err, "has 3 pages, and the table keeps the top 2")
	require.NoError(t, table.Close())
}

func TestReplaceHonoursContext(t *testing.T) {
	root := t.TempDir()
	table := open(t, settings(root))
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("the job was stopped"))
	c, err := table.Replace(ctx, []Window{window(1, pages(1, 1))})
	require.ErrorContains(t, err, "the job was stopped")
	assert.Zero(t, c)
	files, aside := visible(t, root)
	assert.Empty(t, files)
	assert.Empty(t, aside)
	require.NoError(t, table.Close())
}

func TestReplaceRefusesDamagedFiles(t *testing.T) {
	root := t.TempDir()
	table := open(t, settings(root))
	replace(t, table, window(1, pages(1, 1)))
	path := filepath.Join(root, name{at(1), time.Minute, 0, 1}.path())
	require.NoError(t, os.Truncate(path, 100))
	_, err := table.Replace(context.Background(), []Window{window(1, pages(1, 2))})
	require.ErrorContains(t, err, filepath.Base(path))
	require.ErrorContains(t, err, "remove the file")
	require.NoError(t, os.Remove(path))
	assert.Equal(t, 1, replace(t, table, window(1, pages(1, 2))).Written)
	require.NoError(t, table.Close())
}

func TestReplaceNamesAFolderThatIsGone(t *testing.T) {
	root := filepath.Join(t.TempDir(), "t")
	table := open(t, settings(root))
	replace(t, table, window(1, pages(1, 1)))
	require.NoError(t, os.RemoveAll(root))
	_, err := table.Replace(context.Background(), []Window{window(2, pages(1, 1))})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "table "+root)
	require.ErrorContains(t, err, "was the folder removed")
	assert.NotContains(t, err.Error(), "\n")
	assert.NoDirExists(t, root)
	require.NoError(t, table.Close())
}

// Ten minutes at once, as one bundle that catches up brings them, synced. On ext4 on a virtual disk and two
// cores: 5 ms with 1,000 pages each, 75 ms with 100,000; up to four times that beside other work.
func BenchmarkReplace(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("windows=10/rows=%d", n), func(b *testing.B) {
			table := open(b, settings(b.TempDir()))
			views := pages(n, 2)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				var ws []Window
				for minute := range 10 {
					ws = append(ws, window(10*i+minute, views))
				}
				require.Equal(b, 10, replace(b, table, ws...).Written)
			}
			require.NoError(b, table.Close())
		})
	}
}
