package parquet_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/snappy"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/parquet"
	"clickstream/transforms/click"
)

// The layouts of other programs: columns in any order, of any timestamp, that may be null.
type (
	arrowRow struct {
		PageURL     *string    `parquet:"page_url,optional,dict"`
		ViewCount   *int64     `parquet:"view_count,optional"`
		WindowEnd   *time.Time `parquet:"window_end,optional,timestamp(nanosecond)"`
		WindowStart *time.Time `parquet:"window_start,optional,timestamp(nanosecond)"`
		Extra       string     `parquet:"extra"`
	}
	milliRow struct {
		WindowStart time.Time `parquet:"window_start,timestamp(millisecond)"`
		WindowEnd   time.Time `parquet:"window_end,timestamp(microsecond)"`
		PageURL     string    `parquet:"page_url"`
		ViewCount   int64     `parquet:"view_count"`
	}
	sparkRow struct {
		WindowStart deprecated.Int96 `parquet:"window_start"`
		WindowEnd   deprecated.Int96 `parquet:"window_end"`
		PageURL     string           `parquet:"page_url"`
		ViewCount   int64            `parquet:"view_count"`
	}
)

func foreign[T any](t *testing.T, options []pq.WriterOption, rows ...T) ([]click.PageView, error) {
	t.Helper()
	var file bytes.Buffer
	w := pq.NewGenericWriter[T](&file, options...)
	_, err := w.Write(rows)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return parquet.ReadForeign(bytes.NewReader(file.Bytes()), int64(file.Len()), false)
}

// int96 returns an instant as Spark writes it: nanoseconds of a Julian day.
func int96(at time.Time) (i deprecated.Int96) {
	days := at.Unix() / 86400
	nanos := uint64(at.Sub(time.Unix(days*86400, 0)))
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], nanos)
	i[0], i[1] = binary.LittleEndian.Uint32(b[:4]), binary.LittleEndian.Uint32(b[4:])
	i[2] = uint32(days + 2_440_588)
	return i
}

func TestReadForeign(t *testing.T) {
	first := time.Date(2026, 11, 23, 23, 59, 0, 0, time.UTC)
	second := first.Add(time.Minute)
	third := second.Add(time.Minute)
	one, two := int64(1), int64(2)
	a, b := "/a", "/b"
	want := []click.PageView{
		{WindowStart: first, WindowEnd: second, PageURL: "/b", ViewCount: 2},
		{WindowStart: second, WindowEnd: third, PageURL: "/a", ViewCount: 1},
		{WindowStart: second, WindowEnd: third, PageURL: "/b", ViewCount: 1},
	}
	arrow, err := foreign(t, []pq.WriterOption{pq.Compression(&snappy.Codec{}), pq.MaxRowsPerRowGroup(2)},
		arrowRow{&b, &one, &third, &second, "x"}, arrowRow{&a, &one, &third, &second, ""}, arrowRow{&b, &two, &second, &first, ""})
	require.NoError(t, err)
	assert.Equal(t, want, arrow)
	milli, err := foreign(t, nil, milliRow{second, third, "/b", 1}, milliRow{second, third, "/a", 1}, milliRow{first, second, "/b", 2})
	require.NoError(t, err)
	assert.Equal(t, want, milli)
	spark, err := foreign(t, nil,
		sparkRow{int96(second), int96(third), "/b", 1}, sparkRow{int96(second), int96(third), "/a", 1}, sparkRow{int96(first), int96(second), "/b", 2})
	require.NoError(t, err)
	assert.Equal(t, want, spark)
	ours := write(t, map[string]int64{"/b": 1, "/a": 4})
	views, err := parquet.ReadForeign(bytes.NewReader(ours), int64(len(ours)), false)
	require.NoError(t, err)
	assert.Len(t, views, 2)
	none, err := foreign[milliRow](t, nil)
	require.NoError(t, err)
	assert.Empty(t, none)
}

func TestReadForeignRefusesWhatIsNoPageView(t *testing.T) {
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	page, one := "/", int64(1)
	_, err := foreign(t, nil, arrowRow{nil, &one, &at, &at, ""})
	require.ErrorContains(t, err, "column page_url of the parquet file: a row has no value")
	_, err = foreign(t, nil, arrowRow{&page, &one, &at, nil, ""})
	require.ErrorContains(t, err, "column window_start of the parquet file: a row has no value")
	_, err = foreign(t, nil, milliRow{at, at, "/", 0})
	require.ErrorContains(t, err, "view_count 0 is less than one")
	_, err = foreign(t, nil, milliRow{at, at, "\xff", 1})
	require.ErrorContains(t, err, "not valid UTF-8")
	_, err = foreign(t, nil, struct {
		WindowStart int64 `parquet:"window_start"`
	}{})
	require.ErrorContains(t, err, "column window_start is of type INT(64,true), and must be a timestamp")
	_, err = foreign(t, nil, struct{ A int }{})
	require.ErrorContains(t, err, "no column window_start")
	_, err = foreign(t, []pq.WriterOption{pq.Compression(&pq.Lz4Raw)}, milliRow{at, at, "/", 1})
	require.ErrorContains(t, err, "write it with zstd or snappy")
	_, err = parquet.ReadForeign(bytes.NewReader([]byte("no parquet at all")), 17, false)
	require.ErrorContains(t, err, "no whole parquet file")
}

// FuzzReadForeign damages a file anywhere: it is rows or an error.
func FuzzReadForeign(f *testing.F) {
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	var file bytes.Buffer
	w := pq.NewGenericWriter[milliRow](&file)
	_, err := w.Write([]milliRow{{at, at, "/a", 1}, {at, at, "/b", 2}})
	require.NoError(f, err)
	require.NoError(f, w.Close())
	for i := range file.Len() {
		f.Add(i, byte(0x7f))
	}
	f.Fuzz(func(t *testing.T, i int, b byte) {
		damaged := bytes.Clone(file.Bytes())
		damaged[((i%len(damaged))+len(damaged))%len(damaged)] ^= b
		_, _ = parquet.ReadForeign(bytes.NewReader(damaged), int64(len(damaged)), false)
	})
}
