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
	return p.commitEnds(ctx)
}

// commitEnds tells the group that all was read: what held nothing to write was not committed.
func (p Plan) commitEnds(ctx context.Context) error {
	client, err := p.Enrich.Connection.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	at := kafka.Position{Group: p.Enrich.Group, Topic: p.Extent.Topic, Note: p.Pipeline, Next: map[int32]int64{}}
	for i, partition := range p.Extent.Partitions {
		at.Next[partition] = max(p.Extent.Start[i], p.Extent.End[i])
	}
	err = kafka.CommitPosition(ctx, kadm.NewClient(client), at)
	if err != nil && !errors.Is(err, context.Canceled) {
		slog.Warn("the group's offsets were not committed up to the end; all is written", "error", err)
	}
	return nil
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
	return fmt.Sprintf("read %d records in %s: wrote %d clicks to topic %s, rejected %s", s.Read, took, s.Forwarded, p.Enrich.Topic, status.Rejects(s))
}
