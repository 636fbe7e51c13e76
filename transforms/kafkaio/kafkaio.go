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
	register.DoFn1x2[int64, int64, []byte](&SeedFn{})
	register.DoFn7x1[context.Context, state.Provider, timers.Provider, int64, []byte, func(click.Batch), func(click.Reject), error](&SortFn{})
	register.Emitter2[int64, []byte]()
}

// Clicks reads the assignments, which begin where offsets are committed for the group and have no end.
//
//	KafkaIO                     records, as Java's rows
//	  └ gathered within each bundle, by reader
//	      + a seed for each reader, which is there before KafkaIO's watermark counts
//	      └ sorted              into clicks and rejects; holds the watermark
//
// It returns a PCollection<click.Batch> and a PCollection<click.Reject>, both in the global window. A batch is valid
// until the step that takes it returns. It asks the expansion service, and fails as Reach does.
func Clicks(s beam.Scope, cfg Config, assignments []kafka.Assignment) (batches, rejects beam.PCollection, err error) {
	s = s.Scope("kafkaio.Clicks")
	payload, err := cfg.payload(assignments[0].Topic)
	if err != nil {
		return batches, rejects, err
	}
	out, err := beam.TryCrossLanguage(s, urn, payload, cfg.Service, nil, beam.UnnamedOutput(typex.New(reflect.TypeFor[Record]())))
	if err != nil {
		return batches, rejects, cfg.failed(err)
	}
	gather := &GatherFn{}
	indexes := make([]int64, len(assignments))
	for i, a := range assignments {
		gather.Shares, indexes[i] = append(gather.Shares, a.Partitions), int64(i)
	}
	chunks := beam.ParDo(s, gather, out[beam.UnnamedOutputTag()])
	seeds := beam.ParDo(s, &SeedFn{}, beam.CreateList(s, indexes))
	batches, rejects = beam.ParDo2(s, newSortFn(cfg, assignments), beam.Flatten(s, seeds, chunks))
	return batches, rejects, nil
}

// SeedFn makes the seed of a reader: a chunk without bytes.
type SeedFn struct{}

// ProcessElement returns the seed of a reader.
func (*SeedFn) ProcessElement(reader int64) (int64, []byte) { return reader, []byte{} }
