package parquet_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/parquet"
)

// TestWindowsKeepWhatWasConsumed sees that a rebuilt window stays one when nothing was consumed before it was.
func TestWindowsKeepWhatWasConsumed(t *testing.T) {
	begun := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	var file bytes.Buffer
	w := parquet.NewWriter(&file, false)
	consumed := []map[int32]int64{nil, {}, {3: 17}}
	for i, c := range consumed {
		start := begun.Add(time.Duration(i) * time.Minute)
		require.NoError(t, w.Add(map[string]int64{"/a": 1}, nil, parquet.Provenance{
			Window: time.Minute, Start: start, End: start.Add(time.Minute), Shards: 1, Events: 1, Consumed: c,
		}))
	}
	_, err := w.Close()
	require.NoError(t, err)
	told, err := parquet.ReadWindows(bytes.NewReader(file.Bytes()), int64(file.Len()))
	require.NoError(t, err)
	require.Len(t, told, len(consumed))
	for i, c := range consumed {
		assert.Equal(t, c, told[i].Consumed)
	}
}
