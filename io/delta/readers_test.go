package delta_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/io/parquet"
)

// others runs testdata/readers.py, in which delta-rs and DuckDB do something to a table, and returns what they
// say. Where there is no interpreter that has them the test is skipped; under CI=true it fails.
func others(t *testing.T, args ...string) []byte {
	t.Helper()
	python := os.Getenv("CLICKSTREAM_TEST_PYTHON")
	if python == "" {
		missing(t, "CLICKSTREAM_TEST_PYTHON names no interpreter; scripts/components/python makes one")
	}
	command := exec.CommandContext(t.Context(), python, append([]string{"testdata/readers.py"}, args...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, stderr.String())
	return out
}

// seen is what another program sees of a table.
type seen struct {
	Version          int64
	ID               string
	Rows, Views      int64
	Dates            []string
	OfWindow, OfDate int // files
	Operations       []string
	RowsOfWindow     int64
}

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
	_, err := parquet.Write(&data, counts, parquet.Provenance{
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

// assertSeen checks what others see of a version, or of the newest.
func (v *views) assertSeen(t *testing.T, version string, rows, views int64, dates ...string) seen {
	t.Helper()
	args := []string{"read", v.root}
	if version != "" {
		args = append(args, version)
	}
	var by map[string]seen
	require.NoError(t, json.Unmarshal(others(t, args...), &by))
	require.Len(t, by, 2)
	for program, s := range by {
		assert.Equal(t, rows, s.Rows, program)
		assert.Equal(t, views, s.Views, program)
		assert.Equal(t, dates, s.Dates, program)
	}
	rs := by["delta-rs"]
	assert.EqualValues(t, 3, by["duckdb"].RowsOfWindow)
	assert.Equal(t, 1, rs.OfWindow, "statistics tell which file it is")
	return rs
}

// TestOthersReadAndWriteTheTable has delta-rs and DuckDB read a table from its entries, from its checkpoint alone
// and at an old version, and delta-rs append to it and write its checkpoint, and goes on behind that.
func TestOthersReadAndWriteTheTable(t *testing.T) {
	v := newViews(t)
	at := time.Date(2026, 11, 23, 3, 35, 0, 0, time.UTC)
	v.put(t, at, 3, "")
	later := v.put(t, at.Add(21*time.Hour), 10, "")
	v.put(t, at.Add(21*time.Hour), 20, later)
	const first, second = "2026-11-23", "2026-11-24"

	s := v.assertSeen(t, "", 23, 46, first, second)
	assert.EqualValues(t, 3, s.Version)
	assert.Equal(t, v.log.Snapshot().Metadata.ID, s.ID)
	assert.Equal(t, 1, s.OfDate)
	assert.Equal(t, []string{"WRITE", "WRITE", "WRITE", "CREATE TABLE"}, s.Operations)
	v.assertSeen(t, "2", 13, 26, first, second)

	require.NoError(t, v.log.Checkpoint(t.Context()))
	v.assertSeen(t, "", 23, 46, first, second)
	for version := range 4 {
		require.NoError(t, os.Remove(filepath.Join(v.root, fmt.Sprintf(entry, version))))
	}
	assert.EqualValues(t, 3, v.assertSeen(t, "", 23, 46, first, second).Version)

	v.put(t, at.Add(22*time.Hour), 5, "")
	v.assertSeen(t, "", 28, 56, first, second)
	others(t, "append", v.root)
	others(t, "checkpoint", v.root)
	v.goesOn(t)
	v.put(t, at.Add(23*time.Hour), 5, "")
	assert.EqualValues(t, 6, v.assertSeen(t, "", 34, 67, first, second).Version)
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
