package parquet_test

import (
	"bytes"
	"io"
	"math"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/io/parquet"
	"clickstream/transforms/click"
)

func TestProvenanceComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		offset := rapid.Int64Range(0, math.MaxInt64)
		p := parquet.Provenance{
			Topic:   rapid.String().Draw(t, "topic"),
			Cluster: rapid.String().Draw(t, "cluster"),
			Window:  time.Duration(rapid.Int64Range(1, 1<<40).Draw(t, "window")) * time.Millisecond,
			Start:   time.UnixMilli(rapid.Int64Range(946684800000, 4102444800000).Draw(t, "start")).UTC(),
			Shard:   rapid.IntRange(0, 99).Draw(t, "shard"),
			Shards:  100,
			Events:  rapid.Int64Range(0, math.MaxInt64).Draw(t, "events"),
			Offsets: rapid.MapOfN(rapid.Int32Range(0, 1000), rapid.Custom(func(t *rapid.T) click.OffsetRange {
				return click.OffsetRange{First: offset.Draw(t, "first"), Next: offset.Draw(t, "next")}
			}), 0, 20).Draw(t, "offsets"),
			Schemas: rapid.SliceOfN(rapid.Int32(), 0, 5).Draw(t, "schemas"),
			Version: rapid.String().Draw(t, "version"),
		}
		p.Top = rapid.IntRange(0, 3).Draw(t, "top")
		if rapid.Bool().Draw(t, "rebuilt") {
			p.Consumed = rapid.MapOfN(rapid.Int32Range(0, 1000), offset, 0, 20).Draw(t, "consumed")
		}
		p.End = p.Start.Add(p.Window)
		views := map[string]int64{}
		if p.Events > 0 {
			views["/"] = p.Events
		}
		var file bytes.Buffer
		written, err := parquet.Write(&file, views, nil, p)
		require.NoError(t, err)
		read, err := parquet.ReadProvenance(bytes.NewReader(file.Bytes()), int64(file.Len()))
		require.NoError(t, err)
		require.Equal(t, written, read)

		p.Checksum, p.Rows = parquet.Checksum(views, nil), int64(len(views))
		require.Equal(t, p, read)
	})
}

func TestProvenanceIsReadableText(t *testing.T) {
	file := write(t, map[string]int64{"/": 5})
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	for key, text := range map[string]string{
		"clickstream.topic":        "events.clickstream.raw",
		"clickstream.cluster":      "c1",
		"clickstream.window":       "1m0s",
		"clickstream.window_start": "2026-11-23T03:35:00Z",
		"clickstream.window_end":   "2026-11-23T03:36:00Z",
		"clickstream.shard":        "0",
		"clickstream.shards":       "1",
		"clickstream.events":       "5",
		"clickstream.schemas":      "[1,7]",
		"clickstream.version":      "v1",
		"clickstream.offsets": `{"0":[0,40000],"1":[1000,41000],"2":[2000,42000],"3":[3000,43000],"4":[4000,44000],"5":[5000,45000],` +
			`"6":[6000,46000],"7":[7000,47000],"8":[8000,48000],"9":[9000,49000],"10":[10000,50000],"11":[11000,51000]}`,
	} {
		value, ok := f.Lookup(key)
		assert.True(t, ok, key)
		assert.Equal(t, text, value, key)
	}
}

// tail lets nothing but the end of a file be read.
type tail struct {
	*bytes.Reader
	from int64
	t    *testing.T
}

func (r tail) ReadAt(b []byte, at int64) (int, error) {
	assert.GreaterOrEqual(r.t, at, r.from)
	return r.Reader.ReadAt(b, at)
}

func TestReadProvenanceLeavesRowsAlone(t *testing.T) {
	file := write(t, shop(100_000))
	p, err := parquet.ReadProvenance(tail{bytes.NewReader(file), int64(len(file)) - 8<<10, t}, int64(len(file)))
	require.NoError(t, err)
	assert.EqualValues(t, 100_000, p.Rows)
}

func TestReadProvenanceOfOtherFiles(t *testing.T) {
	var foreign bytes.Buffer
	require.NoError(t, pq.Write(&foreign, []struct{ A int }{{1}, {2}}))
	_, err := parquet.ReadProvenance(bytes.NewReader(foreign.Bytes()), int64(foreign.Len()))
	require.ErrorIs(t, err, parquet.ErrForeign)

	for _, b := range []string{"", "PAR1", "not a parquet file at all"} {
		_, err := parquet.ReadProvenance(bytes.NewReader([]byte(b)), int64(len(b)))
		require.Error(t, err)
		assert.NotErrorIs(t, err, parquet.ErrForeign)
	}
}

func BenchmarkReadProvenance(b *testing.B) {
	file := write(b, shop(1000))
	b.ReportAllocs()
	for b.Loop() {
		_, err := parquet.ReadProvenance(io.NewSectionReader(bytes.NewReader(file), 0, int64(len(file))), int64(len(file)))
		require.NoError(b, err)
	}
}
