package kafkaio

import (
	"fmt"
	"maps"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
)

// A chunk ends at so many records, or bytes.
const (
	chunkRecords = 500
	chunkBytes   = 256 << 10
)

// GatherFn gathers a bundle's records into chunks, by the reader that is to sort them: what follows looks its state up
// once a chunk, which takes a question to the runner.
type GatherFn struct {
	Shares Shares

	readers map[int32]int64 // by partition
	open    map[int32]*gathered
}

// gathered is the chunk of a partition that still grows.
type gathered struct {
	chunk   []byte
	records int
}

// StartBundle forgets what a bundle that failed has gathered.
func (f *GatherFn) StartBundle(func(int64, []byte)) {
	f.open, f.readers = map[int32]*gathered{}, f.Shares.readers()
}

// ProcessElement adds a Record to its partition's chunk. Only types with a name can be registered, so it takes any.
func (f *GatherFn) ProcessElement(element beam.T, emit func(int64, []byte)) error {
	r, ok := element.(Record)
	if !ok {
		return fmt.Errorf("KafkaIO hands out %T, and not what Beam 2.62 does; start an expansion service of that version", element)
	}
	reader, ok := f.readers[r.Partition]
	if !ok {
		return fmt.Errorf("topic %s has a partition %d by now, which this run does not read; run again", r.Topic, r.Partition)
	}
	g := f.open[r.Partition]
	if g == nil {
		g = &gathered{chunk: newChunk(r.Partition)}
		f.open[r.Partition] = g
	}
	g.chunk = appendRecord(g.chunk, &r)
	if g.records++; g.records == chunkRecords || len(g.chunk) >= chunkBytes {
		emit(reader, g.chunk)
		delete(f.open, r.Partition)
	}
	return nil
}

// FinishBundle emits the chunks that are left.
func (f *GatherFn) FinishBundle(emit func(int64, []byte)) {
	for _, p := range slices.Sorted(maps.Keys(f.open)) {
		emit(f.readers[p], f.open[p].chunk)
	}
	clear(f.open)
}
