// Package kafkaio takes clicks from Kafka by Java's KafkaIO, in place of our own reader, on Flink. KafkaIO only fetches:
// which records are clicks, which come too late, and how far the watermark is, is told here, as transforms/read does.
package kafkaio

import (
	"context"
	"reflect"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/state"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/timers"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/typex"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"clickstream/io/kafka"
	"clickstream/transforms/click"
	"clickstream/transforms/read"
)

// Config is how clicks are read.
type Config struct {
	Service string // host:port of the expansion service that knows KafkaIO
	Group   string // consumer group at whose offsets KafkaIO starts: see kafka.CommitGroup
	Reader  kafka.ReaderSettings
	Decode  read.DecodeSettings
}

func init() {
	register.DoFn2x1[beam.T, func(int64, []byte), error](&GatherFn{})
	register.DoFn1x2[kafka.Assignment, int64, []byte](&SeedFn{})
	register.DoFn7x1[context.Context, state.Provider, timers.Provider, int64, []byte, func(click.Batch), func(click.Reject), error](&SortFn{})
	register.Emitter2[int64, []byte]()
}

// Clicks reads the assignments, which begin where offsets are committed for the group and have no end. readers is a
// PCollection<kafka.Assignment> of the same.
//
//	KafkaIO                     records, as Java's rows
//	  └ gathered within each bundle, by reader
//	      + a seed for each reader, which is there before KafkaIO's watermark counts
//	      └ sorted              into clicks and rejects; holds the watermark
//
// It returns a PCollection<click.Batch> and a PCollection<click.Reject>, both in the global window. A batch is valid
// until the step that takes it returns. It asks the expansion service, and fails as Reach does.
func Clicks(s beam.Scope, cfg Config, assignments []kafka.Assignment, readers beam.PCollection) (batches, rejects beam.PCollection, err error) {
	s = s.Scope("kafkaio.Clicks")
	payload, err := cfg.payload(assignments[0].Topic)
	if err != nil {
		return batches, rejects, err
	}
	out, err := beam.TryCrossLanguage(s, urn, payload, cfg.Service, nil, beam.UnnamedOutput(typex.New(reflect.TypeFor[Record]())))
	if err != nil {
		return batches, rejects, cfg.failed(err)
	}
	var shares Shares
	for _, a := range assignments {
		shares = append(shares, a.Partitions)
	}
	chunks := beam.ParDo(s, &GatherFn{Shares: shares}, out[beam.UnnamedOutputTag()])
	seeds := beam.ParDo(s, &SeedFn{Shares: shares}, readers)
	batches, rejects = beam.ParDo2(s, newSortFn(cfg, assignments), beam.Flatten(s, seeds, chunks))
	return batches, rejects, nil
}

// Shares are the partitions of each reader.
type Shares [][]int32

// readers returns the reader of each partition.
func (s Shares) readers() map[int32]int64 {
	readers := map[int32]int64{}
	for i, partitions := range s {
		for _, p := range partitions {
			readers[p] = int64(i)
		}
	}
	return readers
}

// SeedFn makes the seed of a reader: a chunk without bytes.
type SeedFn struct{ Shares Shares }

// ProcessElement returns the seed of the reader of a.
func (f *SeedFn) ProcessElement(a kafka.Assignment) (int64, []byte) {
	return f.Shares.readers()[a.Partitions[0]], []byte{}
}
