package kafkaio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func of(text string) *[]byte {
	b := []byte(text)
	return &b
}

func TestChunkKeepsRecords(t *testing.T) {
	b := newChunk(7)
	for _, r := range []Record{
		{Offset: 3, Timestamp: noon.UnixMilli(), Key: of("k"), Value: of("v"), Headers: &[]Header{{Key: "h", Value: of("1")}, {Key: "", Value: nil}, {Key: "e", Value: of("")}}},
		{Offset: 5, Timestamp: -1},
		{Offset: 1 << 60, Timestamp: noon.UnixMilli(), Key: of(""), Value: of(""), Headers: &[]Header{}},
	} {
		b = appendRecord(b, &r)
	}
	partition, records, err := decodeChunk(b)
	require.NoError(t, err)
	assert.EqualValues(t, 7, partition)
	assert.Equal(t, []*kgo.Record{
		{
			Partition: 7, Offset: 3, Timestamp: time.UnixMilli(noon.UnixMilli()), Key: []byte("k"), Value: []byte("v"),
			Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {}, {Key: "e", Value: []byte{}}},
		},
		{Partition: 7, Offset: 5, Timestamp: time.UnixMilli(-1)}, // a tombstone without a key
		{Partition: 7, Offset: 1 << 60, Timestamp: time.UnixMilli(noon.UnixMilli()), Key: []byte{}, Value: []byte{}},
	}, records)
}

func TestChunkThatIsNone(t *testing.T) {
	whole := appendRecord(newChunk(1), &Record{Value: of("value"), Headers: &[]Header{{Key: "h", Value: of("1")}}})
	for n := range len(whole) {
		_, _, err := decodeChunk(whole[:n])
		require.ErrorIs(t, err, errChunk, "cut to %d", n)
	}
	_, _, err := decodeChunk(append(whole, 1))
	require.ErrorIs(t, err, errChunk)
}

func FuzzDecodeChunk(f *testing.F) {
	f.Add(appendRecord(newChunk(1), &Record{Offset: 2, Value: of("value"), Headers: &[]Header{{Key: "h", Value: of("1")}}}))
	f.Add([]byte{0, 1, 2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		partition, records, err := decodeChunk(b)
		if err != nil {
			return
		}
		again := newChunk(partition)
		for _, r := range records {
			row := Record{Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Key: pointer(r.Key), Value: pointer(r.Value), Headers: &[]Header{}}
			for _, h := range r.Headers {
				*row.Headers = append(*row.Headers, Header{Key: h.Key, Value: pointer(h.Value)})
			}
			again = appendRecord(again, &row)
		}
		_, same, err := decodeChunk(again)
		require.NoError(t, err)
		assert.Equal(t, records, same)
	})
}

func pointer(b []byte) *[]byte {
	if b == nil {
		return nil
	}
	return &b
}
