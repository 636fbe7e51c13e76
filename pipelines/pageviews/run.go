package pageviews

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/twmb/franz-go/pkg/kadm"

	"clickstream/io/kafka"
	"clickstream/pipelines/launch"
	"clickstream/transforms/progress"
	"clickstream/transforms/store"
	"clickstream/transforms/teardown"
)

// Run runs p until it has read all that it is to read, or ctx ends. It returns launch.ErrCancelled in the second
// case; whatever was not committed to the table by then was not counted. It returns launch.ErrLeft where the job goes
// on without this process.
func Run(ctx context.Context, p Plan) error {
	defer kafka.CloseParked(p.Pipeline)
	graph, scope := beam.NewPipelineWithRoot()
	err := Build(scope, p)
	if err != nil {
		p.endKafkaIO(ctx)
		return err
	}
	err = p.Runner.Run(ctx, "clickstream-pageviews-"+p.Pipeline[:8], graph)
	store.Settle()
	if !errors.Is(err, launch.ErrLeft) {
		p.endKafkaIO(ctx)
	}
	if closeErr := teardown.End(p.Pipeline); err == nil {
		err = closeErr
	}
	if err != nil || !p.Extent.Bounded() {
		return err
	}
	return p.commitEnds(ctx)
}

// Progress returns what p has done so far, in this process.
func (p Plan) Progress() progress.Snapshot { return progress.Of(p.Pipeline).Snapshot() }

// commitEnds tells the consumer group that all was read: a reader commits only what a later bundle follows.
func (p Plan) commitEnds(ctx context.Context) error {
	connection := p.Read.Reader.Connection
	client, err := connection.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	err = kafka.CommitGroup(ctx, kadm.NewClient(client), p.Read.Reader.Group, p.Extent.Topic, p.Extent.Partitions, p.Extent.End)
	if err != nil && !errors.Is(err, context.Canceled) {
		slog.Warn("offsets for lag tools were not committed; the table is complete", "error", fmt.Errorf("group %s: %w", p.Read.Reader.Group, err))
	}
	return nil
}
