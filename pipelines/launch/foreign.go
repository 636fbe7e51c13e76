package launch

import (
	"context"
	"fmt"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/graphx"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/xlangx"
)

// embedded is the environment of what runs within the runner's own processes.
const embedded = "EMBEDDED"

// resolveForeign sees to what the steps of other languages need where they run: it is fetched from the services that
// expanded them, to be staged with the job. Those that run within the runner have it there, on its class path, and to
// send it all again would be 150 MB a job.
func resolveForeign(ctx context.Context, edges []*graph.MultiEdge) error {
	for _, e := range edges {
		if e.External == nil || e.External.Expanded == nil {
			continue
		}
		components, err := graphx.ExpandedComponents(e.External.Expanded)
		if err != nil {
			return fmt.Errorf("step %s: %w", e.Name(), err)
		}
		for _, env := range components.GetEnvironments() {
			if env.GetUrn() == embedded {
				env.Dependencies = nil
			}
		}
	}
	if _, err := xlangx.ResolveArtifactsWithConfig(ctx, edges, xlangx.ResolveConfig{}); err != nil {
		return fmt.Errorf("fetch what steps of other languages need from their expansion service: %w", err)
	}
	return nil
}
