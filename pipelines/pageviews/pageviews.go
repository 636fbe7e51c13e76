// Package pageviews is the main pipeline: page views per minute, from a topic to the table.
package pageviews

import (
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"clickstream/io/kafka"
	"clickstream/pipelines/launch"
	"clickstream/transforms/count"
	"clickstream/transforms/deadletter"
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
func Build(s beam.Scope, p Plan) {
	clicks, rejects := read.Clicks(s, p.Read, p.Extent.Divide(p.Pipeline, p.Readers))
	deadletter.Write(s, p.DeadLetters, rejects)
	counts := count.PerPage(s, p.Count, clicks)
	store.Windows(s, p.Store, counts)
}
