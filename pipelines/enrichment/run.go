package enrichment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/twmb/franz-go/pkg/kadm"

	"clickstream/io/kafka"
	"clickstream/pipelines/status"
	"clickstream/transforms/enrich"
	"clickstream/transforms/progress"
	"clickstream/transforms/teardown"
)

// Run runs p until it has read all that it is to read, or ctx ends. It returns launch.ErrCancelled in the second case;
// whatever was not committed by then will be read again. It returns launch.ErrLeft where the job goes on without this
// process.
func Run(ctx context.Context, p Plan) error {
	defer kafka.CloseParked(p.Pipeline)
	graph, scope := beam.NewPipelineWithRoot()
	Build(scope, p)
	err := p.Runner.Run(ctx, "clickstream-enrich-"+p.Pipeline[:8], graph)
	if closeErr := teardown.End(p.Pipeline); err == nil {
		err = closeErr
	}
	if err != nil || !p.Extent.Bounded() {
		return err
	}
	return p.settle(ctx)
}

// settle ends a run that has read all: the group is where it has read to.
func (p Plan) settle(ctx context.Context) error {
	client, err := p.Enrich.Connection.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if p.Sessions {
		return p.awaitEnds(ctx, admin)
	}
	// What was written is committed. What held nothing to write was not.
	at, err := kafka.FetchPosition(ctx, admin, p.Enrich.Group, p.Extent.Topic)
	if err == nil && enrich.ParseNote(at.Note).Run == p.Pipeline { // else another run goes on, further on maybe
		at.Next = p.ends()
		err = kafka.CommitPosition(ctx, admin, at)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		slog.Warn("the group's offsets were not committed up to the end; all is written", "error", err)
	}
	return nil
}

// ends returns the offsets up to which p reads, by partition.
func (p Plan) ends() map[int32]int64 {
	ends := map[int32]int64{}
	for i, partition := range p.Extent.Partitions {
		ends[partition] = max(p.Extent.Start[i], p.Extent.End[i])
	}
	return ends
}

// patience is how long the last offsets may take to be committed.
const patience = 10 * time.Second

// awaitEnds waits until the group is where p has read to. It is there only once all buckets have said that they have written
// all: a runner that has lost something is found out here.
func (p Plan) awaitEnds(ctx context.Context, admin *kadm.Client) error {
	ends := p.ends()
	for until := time.Now().Add(patience); ; {
		at, err := kafka.FetchPosition(ctx, admin, p.Enrich.Group, p.Extent.Topic)
		if err != nil {
			return p.Enrich.Connection.Explain(err, kafka.Doing{Operation: "Read", Group: p.Enrich.Group, Topic: p.Extent.Topic})
		}
		var short error
		for _, partition := range p.Extent.Partitions {
			if next := at.Next[partition]; next < ends[partition] {
				short = fmt.Errorf("topic %s partition %d was read to offset %d, and written is only what lies before %d: run again, and it goes on from there",
					p.Extent.Topic, partition, ends[partition], next)
			}
		}
		if short == nil || time.Now().After(until) {
			return short
		}
		select {
		case <-ctx.Done():
			return short
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Report tells how p goes until ctx ends: on the terminal w, or to the log if w is nil. Of steps that run elsewhere it
// knows nothing.
func Report(ctx context.Context, w io.Writer, p Plan) {
	if p.Runner.IsHere() {
		status.Report(ctx, w, progress.Of(p.Pipeline), status.Output{
			Words: "written", Key: "written", Count: func(s progress.Snapshot) int64 { return s.Forwarded },
		})
	}
}

// Summary says in a line what a run has done.
func Summary(p Plan, took time.Duration) string {
	took = took.Round(10 * time.Millisecond)
	if !p.Runner.IsHere() {
		return fmt.Sprintf("the job ended after %s; what it enriched is in topic %s", took, p.Enrich.Topic)
	}
	s := progress.Of(p.Pipeline).Snapshot()
	skipped := ""
	if s.Skipped > 0 {
		skipped = fmt.Sprintf(", skipped %d late clicks that were replayed: they are written where they first stood", s.Skipped)
	}
	return fmt.Sprintf("read %d records in %s: wrote %d clicks to topic %s, rejected %s%s", s.Read, took, s.Forwarded, p.Enrich.Topic, status.Rejects(s), skipped)
}
