package demo

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/table"
)

func TestReadTable(t *testing.T) {
	path := t.TempDir()
	held, err := readTable(t.Context(), path)
	require.NoError(t, err)
	assert.Equal(t, contents{}, held)

	made, err := table.Open(t.Context(), table.Settings{Path: path, Format: table.Parquet, Topic: "clicks", Window: time.Minute, Shards: 1})
	require.NoError(t, err)
	first := time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC)
	for i := range maxMinutes + 10 { // /old in all but the newest topMinutes, /a and /b in all
		views := map[string]int64{"/a": 2, "/b": 2, fmt.Sprintf("/%d", i): 1}
		if i < maxMinutes+10-topMinutes {
			views["/old"] = 1000
		}
		w := table.Window{Start: first.Add(time.Duration(i) * time.Minute), Views: views}
		w.End = w.Start.Add(time.Minute)
		for _, n := range views {
			w.Events += n
		}
		_, err := made.Replace(t.Context(), []table.Window{w})
		require.NoError(t, err)
	}
	require.NoError(t, made.Close())

	held, err = readTable(t.Context(), path)
	require.NoError(t, err)
	assert.Equal(t, 40, held.Windows)
	assert.Equal(t, int64(40*3+35), held.Rows)
	assert.Equal(t, int64(40*5+35*1000), held.Views)
	assert.Equal(t, first.Add(40*time.Minute), held.To)
	require.Len(t, held.Minutes, maxMinutes)
	assert.Equal(t, minute{first.Add(39 * time.Minute), 5}, held.Minutes[0])
	assert.Equal(t, minute{first.Add(34 * time.Minute), 1005}, held.Minutes[5])
	assert.Equal(t, []page{{"/a", 10}, {"/b", 10}, {"/35", 1}, {"/36", 1}, {"/37", 1}, {"/38", 1}, {"/39", 1}}, held.Top)
	from, to := held.topSpan()
	assert.Equal(t, first.Add(35*time.Minute), from)
	assert.Equal(t, first.Add(40*time.Minute), to)
}
