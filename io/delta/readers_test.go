package delta_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/io/parquet"
	"clickstream/testing/readers"
	"clickstream/transforms/click"
)

// views is a table like the pipeline's, with its files.
type views struct {
	root  string
	store objects.Store
	log   *delta.Log
	n     int
}

func newViews(t *testing.T) *views {
	t.Helper()
	v := &views{root: t.TempDir()}
	v.store = objects.NewFolder(v.root)
	var err error
	v.log, err = delta.Create(t.Context(), v.store, delta.Table{
		Name: "page_views_1min",
		Schema: []delta.Column{
			{Name: "window_start", Type: "timestamp"}, {Name: "window_end", Type: "timestamp"}, {Name: "page_url", Type: "string"},
			{Name: "view_count", Type: "long"}, {Name: "window_date", Type: "date"},
		},
		PartitionColumns: []string{"window_date"},
		Configuration:    map[string]string{"clickstream.topic": "events.clickstream.raw"},
	}, delta.Options{Engine: "clickstream/test", CheckpointInterval: -1})
	require.NoError(t, err)
	return v
}

// put writes the window that starts then with n pages of two views each, and puts it in the place of a file.
func (v *views) put(t *testing.T, start time.Time, n int, instead string) (name string) {
	t.Helper()
	counts, events := map[string]int64{}, int64(2*n)
	for i := range n {
		counts[fmt.Sprintf("/p/%03d-é/with-a-path-that-is-longer-than-statistics-keep", i)] = 2
	}
	var data bytes.Buffer
	_, err := parquet.Write(&data, counts, nil, parquet.Provenance{
		Topic: "t", Window: time.Minute, Start: start, End: start.Add(time.Minute), Shards: 1, Events: events, Version: "test",
	})
	require.NoError(t, err)
	v.n++
	date := start.Format(time.DateOnly)
	name = fmt.Sprintf("%s/%s %d.parquet", delta.PartitionFolder("window_date", date), start.Format("20060102T1504"), v.n)
	require.NoError(t, v.store.PutIfAbsent(t.Context(), name, data.Bytes()))
	tx := delta.Transaction{Read: v.log.Snapshot(), Operation: "WRITE", Parameters: map[string]string{"mode": "Append"},
		Metrics: map[string]string{"numOutputRows": fmt.Sprint(n)}, Txn: []delta.Txn{{AppID: "test", Version: int64(v.n)}}}
	tx.Add = []delta.Add{{
		Path: delta.EscapePath(name), PartitionValues: delta.Values{"window_date": date}, Size: int64(data.Len()),
		ModificationTime: time.Now().UnixMilli(), DataChange: true, Tags: map[string]string{"events": fmt.Sprint(events)},
		Stats: delta.NewStats(int64(n)).Time("window_start", start, start, 0).Time("window_end", start.Add(time.Minute), start.Add(time.Minute), 0).
			Text("page_url", "/p/000-é/with-a-path-that-is-longer-than-statistics-keep", fmt.Sprintf("/p/%03d-é/with-a-path-that-is-longer-than-statistics-keep", n-1), 0).
			Integer("view_count", 2, 2, 0).String(),
	}}
	if instead != "" {
		tx.Remove = []delta.Remove{v.log.Snapshot().File(instead).Remove(time.Now(), true)}
	}
	_, err = v.log.Commit(t.Context(), tx)
	require.NoError(t, err)
	return name
}

// others are the programs that read the table in these tests.
type others struct {
	rs, duckdb *readers.Reader
}

// assertSeen checks what others see of a version, or of the newest when it is nil, and of one window of it.
func (o others) assertSeen(t *testing.T, v *views, version *int64, rows int, views int64, dates ...string) {
	t.Helper()
	for _, r := range []*readers.Reader{o.rs, o.duckdb} {
		found, err := r.Read(v.root, readers.Query{Version: version})
		require.NoError(t, err)
		assert.Len(t, found, rows, r.Program)
		var sum int64
		var on []string
		for _, row := range found {
			sum += row.ViewCount
			on = append(on, row.WindowStart.Format(time.DateOnly))
		}
		assert.Equal(t, views, sum, r.Program)
		assert.Equal(t, dates, slices.Compact(on), r.Program)
		found, err = r.Read(v.root, readers.Query{Version: version, From: first, To: first.Add(time.Minute)})
		require.NoError(t, err)
		assert.Len(t, found, 3, r.Program)
	}
}

// first is the start of the first window.
var first = time.Date(2026, 11, 23, 3, 35, 0, 0, time.UTC)

// TestOthersReadAndWriteTheTable has delta-rs and DuckDB read a table from its entries, from its checkpoint alone
// and at an old version, and delta-rs append to it and write its checkpoint, and goes on behind that.
func TestOthersReadAndWriteTheTable(t *testing.T) {
	o := others{rs: readers.Start(t, readers.DeltaRS), duckdb: readers.Start(t, readers.DuckDB)}
	v := newViews(t)
	v.put(t, first, 3, "")
	later := v.put(t, first.Add(21*time.Hour), 10, "")
	v.put(t, first.Add(21*time.Hour), 20, later)
	const one, two = "2026-11-23", "2026-11-24"

	o.assertSeen(t, v, nil, 23, 46, one, two)
	about, err := o.rs.About(v.root)
	require.NoError(t, err)
	assert.Equal(t, readers.About{
		ID: v.log.Snapshot().Metadata.ID, Version: 3, Operations: []string{"WRITE", "WRITE", "WRITE", "CREATE TABLE"},
	}, about)
	old := int64(2)
	o.assertSeen(t, v, &old, 13, 26, one, two)

	require.NoError(t, v.log.Checkpoint(t.Context()))
	o.assertSeen(t, v, nil, 23, 46, one, two)
	for version := range 4 {
		require.NoError(t, os.Remove(filepath.Join(v.root, fmt.Sprintf(entry, version))))
	}
	o.assertSeen(t, v, nil, 23, 46, one, two)

	v.put(t, first.Add(22*time.Hour), 5, "")
	o.assertSeen(t, v, nil, 28, 56, one, two)
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	require.NoError(t, o.rs.Append(v.root, click.PageView{
		WindowStart: midnight, WindowEnd: midnight.Add(time.Minute), PageURL: "/appended", ViewCount: 1,
	}))
	require.NoError(t, o.rs.Checkpoint(v.root))
	v.goesOn(t)
	v.put(t, first.Add(23*time.Hour), 5, "")
	o.assertSeen(t, v, nil, 34, 67, one, two)
	about, err = o.rs.About(v.root)
	require.NoError(t, err)
	assert.EqualValues(t, 6, about.Version)
}

// goesOn reads what delta-rs made of the table, from its checkpoint and from its entries.
func (v *views) goesOn(t *testing.T) {
	t.Helper()
	s, err := v.log.Refresh(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 5, s.Version)
	assert.Equal(t, 4, s.Len())
	again, err := delta.Open(t.Context(), v.store, delta.Options{})
	require.NoError(t, err)
	assertSame(t, s, again.Snapshot())
	require.NoError(t, os.Remove(filepath.Join(v.root, fmt.Sprintf(entry, 4))))
	again, err = delta.Open(t.Context(), v.store, delta.Options{})
	require.NoError(t, err)
	assertSame(t, s, again.Snapshot())
	version, ok := again.Snapshot().Txn("test")
	assert.True(t, ok)
	assert.EqualValues(t, v.n, version)
	for f := range s.Files() {
		name, err := f.Name()
		require.NoError(t, err)
		data, err := v.store.Read(t.Context(), name)
		require.NoError(t, err)
		assert.Len(t, data, int(f.Size))
	}
}
