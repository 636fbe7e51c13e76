package parquet_test

import (
	"bytes"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/parquet"
)

func TestReadRefusesOtherColumns(t *testing.T) {
	file := write(t, map[string]int64{"/": 1})
	ours, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)

	var other bytes.Buffer
	w := pq.NewGenericWriter[struct {
		Page string `parquet:"page"`
	}](&other)
	for _, kv := range ours.Metadata().KeyValueMetadata {
		w.SetKeyValueMetadata(kv.Key, kv.Value)
	}
	require.NoError(t, w.Close())
	_, _, err = parquet.Read(bytes.NewReader(other.Bytes()), int64(other.Len()))
	require.ErrorContains(t, err, "columns")
}

func TestReadRefusesHalfAFile(t *testing.T) {
	file := write(t, shop(1000))
	for n := 0; n < len(file); n += 101 {
		_, _, err := parquet.Read(bytes.NewReader(file[:n]), int64(n))
		require.Error(t, err, "%d of %d bytes", n, len(file))
	}
}

// Damage is an error or goes unseen, and never a panic.
func FuzzRead(f *testing.F) {
	file := write(f, shop(40))
	f.Add(0, byte(0), len(file))
	f.Add(len(file)/2, byte(0xff), len(file))
	for at := len(file) - 900; at < len(file); at += 7 {
		f.Add(at, byte(0x5a), len(file))
	}
	f.Fuzz(func(t *testing.T, at int, mask byte, size int) {
		damaged := bytes.Clone(file)
		damaged[min(max(at, 0), len(damaged)-1)] ^= mask
		damaged = damaged[:min(max(size, 0), len(damaged))]
		rows, _, err := parquet.Read(bytes.NewReader(damaged), int64(len(damaged)))
		if err != nil {
			assert.Empty(t, rows)
		}
	})
}
