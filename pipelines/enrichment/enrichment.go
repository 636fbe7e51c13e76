// Package enrichment is the second pipeline: clicks with what follows from them, from a topic to another one.
package enrichment

import (
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"clickstream/io/kafka"
	"clickstream/pipelines/launch"
	"clickstream/transforms/deadletter"
	"clickstream/transforms/enrich"
	"clickstream/transforms/read"
)

// Plan is a run with everything looked up: what to read, what to add, where to write.
type Plan struct {
	Pipeline string // names the run in this process
	Extent   kafka.Extent
	Readers  int // that share the extent
	Runner   launch.Runner
	Read     read.Config
	Sessions bool // are found
	Enrich   enrich.Config
}

// Build makes the graph of p.
//
//	Kafka partitions
//	  └ batches of clicks ─── and of records that are none
//	      └ the enriched topic, the dead letter topic, and how far this is: one transaction a second
//
// With sessions it is
//
//	Kafka partitions
//	  └ batches of clicks ─── rejects ──► dead letter topic
//	      └ sessions found by state and timers, see enrich.Sessions
//	          └ the enriched topic
func Build(s beam.Scope, p Plan) {
	assignments := p.Extent.Divide(p.Pipeline, p.Readers)
	readers := beam.Reshuffle(s, beam.CreateList(s, assignments))
	batches, rejects := read.Clicks(s, p.Read, readers)
	launch.Outlet(s, p.Runner, deadletter.Write(s, p.Enrich.DeadLetters, rejects))
	if p.Sessions {
		enrich.Sessions(s, p.Enrich, batches)
		return
	}
	launch.Outlet(s, p.Runner, enrich.Forward(s, p.Enrich, batches))
}
