// Package pageviews is the main pipeline: page views per minute, from a topic to the table.
package pageviews

import (
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"clickstream/io/kafka"
	"clickstream/io/version"
	"clickstream/pipelines/launch"
	"clickstream/transforms/count"
	"clickstream/transforms/deadletter"
	"clickstream/transforms/kafkaio"
	"clickstream/transforms/preflight"
	"clickstream/transforms/read"
	"clickstream/transforms/store"
)

// Plan is a run with everything looked up: what to read, how to count, where to write.
type Plan struct {
	Pipeline    string // names the run in this process
	Extent      kafka.Extent
	Readers     int // that share the extent
	Runner      launch.Runner
	Read        read.Config
	KafkaIO     *kafkaio.Config // reads in place of our own reader, where it is not nil
	DeadLetters deadletter.Config
	Count       count.Config
	Store       store.Config
}

// Build makes the graph of p.
//
//	Kafka partitions
//	  └ batches of clicks ─── rejects ──► dead letter topic
//	      └ counts per window and page, within each bundle
//	          └ merged per window and shard
//	              └ the table
//
// It fails if another reader than our own cannot be had.
func Build(s beam.Scope, p Plan) error {
	clicks, rejects, err := fetch(s, p)
	if err != nil {
		return err
	}
	launch.Outlet(s, p.Runner, deadletter.Write(s, p.DeadLetters, rejects))
	counts := count.PerPage(s, p.Count, clicks)
	launch.Outlet(s, p.Runner, store.Windows(s, p.Store, counts))
	return nil
}

// fetch reads the extent of p: a PCollection<click.Batch>, and a PCollection<click.Reject> of what is to be none.
func fetch(s beam.Scope, p Plan) (clicks, rejects beam.PCollection, err error) {
	assignments := p.Extent.Divide(p.Pipeline, p.Readers)
	readers := beam.Reshuffle(s, beam.CreateList(s, assignments))
	if !p.Runner.IsHere() {
		readers = preflight.Check(s, preflight.Config{Version: version.Own(), Table: p.Store.Table}, readers)
	}
	if p.KafkaIO != nil {
		return kafkaio.Clicks(s, *p.KafkaIO, assignments, readers)
	}
	clicks, rejects = read.Clicks(s, p.Read, readers)
	return clicks, rejects, nil
}
