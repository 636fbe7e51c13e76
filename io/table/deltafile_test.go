package table

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/transforms/click"
)

// foreignRow is a row as another program writes it.
type foreignRow struct {
	WindowStart time.Time `parquet:"window_start,timestamp(microsecond)"`
	WindowEnd   time.Time `parquet:"window_end,timestamp(microsecond)"`
	PageURL     string    `parquet:"page_url"`
	ViewCount   int64     `parquet:"view_count"`
}

func foreign(minute int, page string, views int64) foreignRow {
	return foreignRow{at(minute), at(minute + 1), page, views}
}

// commitForeign commits a file of the rows, with those statistics, as another program does. instead has it replace all
// that the table holds.
func commitForeign(t *testing.T, root, date, stats string, instead bool, rows ...foreignRow) {
	t.Helper()
	store, err := objects.Open(t.Context(), root)
	require.NoError(t, err)
	log, err := delta.Open(t.Context(), store, delta.Options{Engine: "another"})
	require.NoError(t, err)
	var file bytes.Buffer
	w := pq.NewGenericWriter[foreignRow](&file)
	_, err = w.Write(rows)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	object := fmt.Sprintf("window_date=%s/part-%05d.parquet", date, log.Snapshot().Version)
	require.NoError(t, store.Put(t.Context(), object, file.Bytes()))
	tx := delta.Transaction{Read: log.Snapshot(), Operation: "WRITE", Add: []delta.Add{{
		Path: delta.EscapePath(object), PartitionValues: delta.Values{dateColumn: date}, Size: int64(file.Len()), DataChange: !instead, Stats: stats,
	}}}
	if instead {
		tx.Operation = "OPTIMIZE"
		for add := range tx.Read.Files() {
			tx.Remove = append(tx.Remove, add.Remove(time.Now(), false))
		}
	}
	_, err = log.Commit(t.Context(), tx)
	require.NoError(t, err)
	require.NoError(t, log.Close())
}

const theDay = "2026-11-23"

func TestForeignFileWhoseStatisticsAreNull(t *testing.T) {
	s := deltaSettings(t.TempDir(), 1)
	table := open(t, s)
	replace(t, table, window(1, pages(1, 1)))
	null := `{"numRecords":1,"minValues":{"window_start":null,"window_end":null},"maxValues":{"window_start":null,"window_end":null}}`
	commitForeign(t, s.Path, theDay, null, false, foreign(2, "/x", 3))
	assert.Equal(t, []string{"1 /p/00000 1", "2 /x 3"}, rows(t, table, Filter{}))
	assert.Equal(t, []string{"2 /x 3"}, rows(t, table, Filter{Span: Span{From: at(2)}}))
	require.NoError(t, table.Close())
}

// TestForeignRowsOfOnePage sees that a window is replaced by as many views, when a page of it has two rows.
func TestForeignRowsOfOnePage(t *testing.T) {
	s := deltaSettings(t.TempDir(), 1)
	table := open(t, s)
	commitForeign(t, s.Path, theDay, "", false, foreign(1, "/a", 3), foreign(1, "/a", 1), foreign(2, "/b", 1))
	assert.Equal(t, 1, replace(t, table, window(1, map[string]int64{"/a": 4})).Written)
	assert.Equal(t, []string{"1 /a 4", "2 /b 1"}, rows(t, table, Filter{}))
	require.NoError(t, table.Close())
}

func TestForeignRowsOfAnotherDate(t *testing.T) {
	stats := delta.NewStats(1).Time("window_start", at(1), at(1), 0).Time("window_end", at(2), at(2), 0).String()
	for _, stats := range []string{"", stats} {
		s := deltaSettings(t.TempDir(), 1)
		table := open(t, s)
		commitForeign(t, s.Path, "2026-11-22", stats, false, foreign(1, "/a", 1))
		var err error
		for _, err = range table.Scan(t.Context(), Filter{}) {
			break
		}
		require.ErrorContains(t, err, "another program")
		require.ErrorContains(t, err, "remove its rows")
		require.NoError(t, table.Close())
	}
}

// TestMergingShardsDoesNotMoveTheSlowOneOn has another program merge the files of shards that are not equally far.
func TestMergingShardsDoesNotMoveTheSlowOneOn(t *testing.T) {
	s := deltaSettings(t.TempDir(), 2)
	table := open(t, s)
	var all []foreignRow
	for minute := 1; minute <= 10; minute++ {
		for _, page := range []string{"/a", "/b", "/c", "/d"} {
			shard := int(click.ShardOf(page, 2))
			if shard == 1 && minute > 8 {
				continue
			}
			all = append(all, foreign(minute, page, 1))
		}
		for _, w := range spread(minute, 2, map[string]int64{"/a": 1, "/b": 1, "/c": 1, "/d": 1}) {
			if w.Shard == 0 || minute <= 8 {
				require.NotZero(t, w.Events)
				replace(t, table, w)
			}
		}
	}
	before, err := table.State(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, at(9), before.Final)
	held := rows(t, table, Filter{})
	for _, stats := range []string{"", delta.NewStats(1).Time("window_start", at(1), at(10), 0).Time("window_end", at(2), at(11), 0).String()} {
		commitForeign(t, s.Path, theDay, stats, true, all...)
		require.Equal(t, held, rows(t, table, Filter{}))
		after, err := table.State(t.Context(), 0)
		require.NoError(t, err)
		assert.Equal(t, before.Final, after.Final)
		assert.Equal(t, before.Consumed, after.Consumed)
	}
	require.NoError(t, table.Close())
}
