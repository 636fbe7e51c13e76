package table

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/transforms/click"
)

// sharded returns a table of three minutes around midnight, three shards each.
func sharded(t *testing.T) Table {
	s := settings(t.TempDir())
	s.Shards = 3
	table := open(t, s)
	t.Cleanup(func() { assert.NoError(t, table.Close()) })
	var ws []Window
	for minute := range 3 {
		for shard := range 3 {
			w := window(minute, map[string]int64{fmt.Sprintf("/%c", 'a'+shard): 1, fmt.Sprintf("/%c", 'd'+shard): 2})
			w.Shard = shard
			ws = append(ws, w)
		}
	}
	replace(t, table, ws...)
	return table
}

func TestScan(t *testing.T) {
	table := sharded(t)
	minute := func(n int) []string {
		var want []string
		for i, page := range []string{"/a", "/b", "/c", "/d", "/e", "/f"} {
			want = append(want, fmt.Sprintf("%d %s %d", n, page, 1+i/3))
		}
		return want
	}
	all := append(append(minute(0), minute(1)...), minute(2)...)
	for name, c := range map[string]struct {
		filter Filter
		want   []string
	}{
		"all":             {Filter{}, all},
		"from":            {Filter{Span: Span{From: at(1)}}, all[6:]},
		"from in between": {Filter{Span: Span{From: at(1).Add(time.Second)}}, all[12:]},
		"to":              {Filter{Span: Span{To: at(1)}}, all[:6]},
		"both":            {Filter{Span: Span{From: at(1), To: at(2)}}, all[6:12]},
		"none":            {Filter{Span: Span{From: at(5)}}, []string{}},
		"page":            {Filter{Page: "/e"}, []string{all[4], all[10], all[16]}},
		"no such page":    {Filter{Page: "/z"}, []string{}},
		"limit":           {Filter{Limit: 7}, all[:7]},
		"page and limit":  {Filter{Page: "/b", Limit: 2}, []string{all[1], all[7]}},
		"large limit":     {Filter{Limit: 100}, all},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, rows(t, table, c.filter)) })
	}
}

func TestScanCanBeLeft(t *testing.T) {
	seen := 0
	for _, err := range sharded(t).Scan(context.Background(), Filter{}) {
		require.NoError(t, err)
		if seen++; seen == 4 {
			break
		}
	}
	assert.Equal(t, 4, seen)
}

func TestScanEndsWithItsContext(t *testing.T) {
	table := sharded(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seen := 0
	var last error
	for _, err := range table.Scan(ctx, Filter{}) {
		if err != nil {
			last = err
			continue
		}
		seen++
		cancel()
	}
	assert.Equal(t, 1, seen)
	require.ErrorIs(t, last, context.Canceled)
	for _, err := range table.Windows(ctx, Span{}) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

func TestReadersNameDamagedFiles(t *testing.T) {
	root := t.TempDir()
	table := open(t, settings(root))
	replace(t, table, window(1, pages(3, 1)), window(2, pages(3, 1)))
	require.NoError(t, table.Close())
	path := filepath.Join(root, name{at(2), time.Minute, 0, 1}.path())
	require.NoError(t, os.Truncate(path, 50))

	reader, err := View(context.Background(), root)
	require.NoError(t, err)
	var errs []error
	read := 0
	for _, err := range reader.Scan(context.Background(), Filter{}) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		read++
	}
	assert.Equal(t, 3, read)
	for _, err := range reader.Windows(context.Background(), Span{From: at(2)}) {
		errs = append(errs, err)
	}
	require.Len(t, errs, 2)
	for _, err := range errs {
		require.ErrorContains(t, err, filepath.Base(path))
	}
}

func TestWindows(t *testing.T) {
	table := sharded(t)
	var infos []Info
	for info, err := range table.Windows(context.Background(), Span{From: at(1)}) {
		require.NoError(t, err)
		infos = append(infos, info)
	}
	require.Len(t, infos, 6)
	assert.Positive(t, infos[4].Bytes)
	infos[4].Bytes = 0
	assert.Equal(t, Info{
		Start: at(2), End: at(3), Shard: 1, Shards: 3, Events: 3, Rows: 2, Topic: "clicks", Cluster: "c1", Version: "v1",
		Offsets: map[int32]click.OffsetRange{3: {First: 10, Next: 20}}, Schemas: []int32{4},
	}, infos[4])
}

func TestViewOfAnEmptyTable(t *testing.T) {
	reader, err := View(context.Background(), t.TempDir())
	require.NoError(t, err)
	assert.Empty(t, rows(t, reader, Filter{}))
	for info, err := range reader.Windows(context.Background(), Span{}) {
		t.Errorf("%+v, %v in an empty table", info, err)
	}
}

// 100,000 rows of one file: 25 ms.
func BenchmarkScan(b *testing.B) {
	table := open(b, settings(b.TempDir()))
	replace(b, table, window(1, pages(100_000, 3)))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range table.Scan(context.Background(), Filter{}) {
			require.NoError(b, err)
		}
	}
	require.NoError(b, table.Close())
}
