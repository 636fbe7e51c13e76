package table

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
)

func look(t *testing.T, f *Follower) News {
	t.Helper()
	news, err := f.Look(t.Context())
	require.NoError(t, err)
	return news
}

// telling is a window of a minute that tells how it came about.
func telling(minute int, views map[string]int64) Window {
	w := window(minute, views)
	w.Tally.Latency.Observe(40*time.Millisecond, w.Events)
	w.Tally.Skipped, w.Tally.Deferred = 2, 1
	return w
}

func TestFollowerOfATableThatIsNotThereYet(t *testing.T) {
	eachFormat(t, func(t *testing.T, s Settings) {
		s.Path = filepath.Join(s.Path, "yet")
		f := NewFollower(s.Path, 5*time.Minute)
		assert.Equal(t, News{}, look(t, f))
		require.NoError(t, os.Mkdir(s.Path, 0o755))
		assert.Equal(t, News{}, look(t, f), "an empty folder is no table")

		s.Begin = map[int32]int64{3: 10}
		table := open(t, s)
		assert.Equal(t, time.Minute, look(t, f).Status.Window)
		replace(t, table, telling(1, map[string]int64{"/a": 3, "/b": 5}), telling(2, map[string]int64{"/a": 7}))
		f.listed = time.Time{}
		news := look(t, f)
		require.NotNil(t, news.Status)
		assert.EqualValues(t, 2, news.Status.Files)
		assert.Positive(t, news.Status.Bytes)
		assert.Equal(t, at(3), news.Status.NewestEnd)
		assert.Equal(t, []Page{{"/a", 7}}, news.Status.Top)
		assert.WithinDuration(t, time.Now(), news.Status.LastCommit, time.Minute)
		if s.Format == Parquet {
			assert.EqualValues(t, -1, news.Status.Version)
			assert.Empty(t, news.Told)
			return
		}
		assert.EqualValues(t, 1, news.Status.Version)
		require.Len(t, news.Told, 1, "it was committed while it was awaited")
		assert.False(t, news.Told[0].Before)
		assert.Empty(t, look(t, f).Told, "once")

		require.NoError(t, table.Close())
		require.NoError(t, os.RemoveAll(s.Path))
		f.log = delta.Follow(f.view.store) // which looks at once
		_, err := f.Look(t.Context())
		require.ErrorContains(t, err, "it was there, and is there no more; restore it from a copy")
	})
}

func TestFollowerTellsWhatCommitsTell(t *testing.T) {
	s := deltaSettings(t.TempDir(), 1)
	table := open(t, s)
	replace(t, table, telling(1, pages(3, 2)))
	f := NewFollower(s.Path, 5*time.Minute)
	first := look(t, f)
	require.Len(t, first.Told, 1)
	assert.True(t, first.Told[0].Before, "it was there already")

	replace(t, table, telling(1, pages(3, 4)), telling(2, pages(5, 1)))
	replace(t, table, telling(3, pages(1, 1)))
	news := look(t, f)
	require.Len(t, news.Told, 2)
	c := news.Told[0]
	assert.EqualValues(t, 2, c.Version)
	assert.False(t, c.Before)
	assert.EqualValues(t, 2, c.Files)
	assert.Positive(t, c.Bytes)
	assert.EqualValues(t, 3*4-3*2+5, c.Counted, "what is new")
	assert.EqualValues(t, 4, c.Skipped)
	assert.EqualValues(t, 2, c.Deferred)
	assert.EqualValues(t, 3*4+5, c.Latency.Count())
	assert.EqualValues(t, 1, c.Published.Count(), "the other one was there before")
	assert.EqualValues(t, 3, news.Status.Files)
	assert.Equal(t, first.Status.Window, news.Status.Window)
}

func TestFollowerSeesWhatCompactWouldMerge(t *testing.T) {
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			s := deltaSettings(t.TempDir(), shards)
			table := open(t, s)
			f := NewFollower(s.Path, 5*time.Minute)
			would := func() (n int64) {
				for _, c := range compactAll(t, s.Path, Compaction{Into: time.Hour, Lateness: 5 * time.Minute, DryRun: true, Version: "v1"}) {
					n += int64(c.Files)
				}
				return n
			}
			for minute := 1; minute <= 200; minute += 7 {
				replace(t, table, spread(minute, shards, pages(9, 2))...)
				assert.Equal(t, would(), look(t, f).Status.SmallFiles, "minute %d", minute)
			}
			before := look(t, f).Status
			assert.Positive(t, before.SmallFiles)
			compactAll(t, s.Path, Compaction{Into: time.Hour, Lateness: 5 * time.Minute, Version: "v1"})
			news := look(t, f)
			assert.Zero(t, news.Status.SmallFiles)
			assert.Less(t, news.Status.Files, before.Files)
			assert.Empty(t, news.Told, "a merge tells nothing")
			assert.Equal(t, before.LastCommit, news.Status.LastCommit, "nor is it one of rows")

			again := look(t, NewFollower(s.Path, 5*time.Minute)).Status
			assert.WithinRange(t, again.LastCommit, news.Status.LastCommit.Add(-time.Second), news.Status.LastCommit, "when the last file was written")
			again.LastCommit = news.Status.LastCommit
			assert.Equal(t, *news.Status, *again, "one that begins now sees the same")
			replace(t, table, spread(8, shards, pages(9, 4))...) // takes a window out of a merged file
			assert.Equal(t, would(), look(t, f).Status.SmallFiles)
		})
	}
}

// TestFollowerReadsOn holds one that reads on, through checkpoints, against one that begins anew.
func TestFollowerReadsOn(t *testing.T) {
	s := deltaSettings(t.TempDir(), 2)
	table := open(t, s)
	f := NewFollower(s.Path, 5*time.Minute)
	commits := int64(0)
	for minute := 1; minute <= 35; minute++ {
		replace(t, table, spread(minute, 2, pages(20, int64(minute)))...)
		commits += int64(len(look(t, f).Told))
		if minute%8 == 0 {
			require.NoError(t, table.Close()) // with the checkpoints that are being written
			table = open(t, s)
			assert.Equal(t, *look(t, NewFollower(s.Path, 5*time.Minute)).Status, *look(t, f).Status)
		}
	}
	assert.EqualValues(t, 35, commits)
	require.NoError(t, table.Close())
	for _, err := range Vacuum(t.Context(), s.Path, time.Hour, false) {
		require.NoError(t, err)
	}
	assert.Empty(t, look(t, f).Told, "what goes was nobody's any more")
}

func TestFollowerShowsTheTopPagesOfTheNewestWindow(t *testing.T) {
	eachFormat(t, func(t *testing.T, s Settings) {
		s.Shards, s.Begin = 2, map[int32]int64{3: 10}
		table := open(t, s)
		many := map[string]int64{}
		for i := range 30 {
			many[fmt.Sprintf("/%02d", i)] = int64(1 + i%15)
		}
		replace(t, table, spread(1, 2, map[string]int64{"/old": 1_000})...)
		replace(t, table, spread(2, 2, many)...)
		f := NewFollower(s.Path, 5*time.Minute)
		want := []Page{{"/14", 15}, {"/29", 15}, {"/13", 14}, {"/28", 14}, {"/12", 13}, {"/27", 13}, {"/11", 12}, {"/26", 12}, {"/10", 11}, {"/25", 11}}
		assert.Equal(t, want, look(t, f).Status.Top)
		many["/late"] = 99
		replace(t, table, spread(2, 2, many)...)
		f.listed = time.Time{}
		assert.Equal(t, Page{"/late", 99}, look(t, f).Status.Top[0], "a file that was replaced is read again")
	})
}

func TestFollowerOfAnotherProgramsTable(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "part-0.parquet"), []byte("x"), 0o600))
	_, err := NewFollower(root, 0).Look(t.Context())
	require.ErrorContains(t, err, "was not written by this program")
	_, err = NewFollower("ftp://host/path", 0).Look(t.Context())
	require.ErrorContains(t, err, "ftp:// is not known")
}
