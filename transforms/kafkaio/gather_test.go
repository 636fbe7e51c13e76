package kafkaio

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/kafka"
)

// gatheredChunk is a chunk that was emitted.
type gatheredChunk struct {
	reader    int64
	partition int32
	offsets   []int64
}

// bundle returns an emitter, and what it was given.
func bundle(t *testing.T) (emit func(int64, []byte), got *[]gatheredChunk) {
	t.Helper()
	got = &[]gatheredChunk{}
	return func(reader int64, b []byte) {
		partition, records, err := decodeChunk(b)
		require.NoError(t, err)
		c := gatheredChunk{reader: reader, partition: partition}
		for _, r := range records {
			c.offsets = append(c.offsets, r.Offset)
		}
		*got = append(*got, c)
	}, got
}

func TestGatherByReaderAndPartition(t *testing.T) {
	emit, got := bundle(t)
	f := &GatherFn{Shares: Shares{{0, 2}, {1}}}
	f.StartBundle(emit)
	for _, r := range []Record{{Partition: 2, Offset: 5}, {Partition: 1, Offset: 7}, {Partition: 2, Offset: 6}, {Partition: 0, Offset: 0}} {
		require.NoError(t, f.ProcessElement(r, emit))
	}
	assert.Empty(t, *got, "a chunk holds all that a bundle brings of a partition")
	f.FinishBundle(emit)
	assert.Equal(t, []gatheredChunk{{0, 0, []int64{0}}, {1, 1, []int64{7}}, {0, 2, []int64{5, 6}}}, *got)
}

func TestGatherEndsChunks(t *testing.T) {
	for name, c := range map[string]struct {
		value, records, first int
	}{
		"by records": {1, chunkRecords + 1, chunkRecords},
		"by bytes":   {chunkBytes / 2, 3, 2},
	} {
		t.Run(name, func(t *testing.T) {
			emit, got := bundle(t)
			f := &GatherFn{Shares: Shares{{0}}}
			f.StartBundle(emit)
			value := bytes.Repeat([]byte("v"), c.value)
			for i := range c.records {
				require.NoError(t, f.ProcessElement(Record{Offset: int64(i), Value: &value}, emit))
			}
			require.Len(t, *got, 1)
			f.FinishBundle(emit)
			require.Len(t, *got, 2)
			assert.Len(t, (*got)[0].offsets, c.first)
			assert.Equal(t, []int64{int64(c.first)}, (*got)[1].offsets)
		})
	}
}

func TestGatherForgetsABundleThatFailed(t *testing.T) {
	emit, got := bundle(t)
	f := &GatherFn{Shares: Shares{{0}}}
	f.StartBundle(emit)
	require.NoError(t, f.ProcessElement(Record{Offset: 1}, emit))
	f.StartBundle(emit)
	f.FinishBundle(emit)
	assert.Empty(t, *got)
}

func TestGatherRefuses(t *testing.T) {
	emit, _ := bundle(t)
	f := &GatherFn{Shares: Shares{{0}}}
	f.StartBundle(emit)
	require.EqualError(t, f.ProcessElement(Record{Topic: "clicks", Partition: 1}, emit), "topic clicks has a partition 1 by now, which this run does not read; run again")
	require.EqualError(t, f.ProcessElement(7, emit), "KafkaIO hands out int, and not what Beam 2.62 does; start an expansion service of that version")
}

func TestSeedsAreOfTheirReaders(t *testing.T) {
	f := &SeedFn{Shares: Shares{{0, 2}, {1}}}
	for want, partitions := range f.Shares {
		reader, chunk := f.ProcessElement(kafka.Assignment{Partitions: partitions})
		assert.EqualValues(t, want, reader)
		assert.Empty(t, chunk)
	}
}
