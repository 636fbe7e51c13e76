package launch

import (
	"context"
	"fmt"
	"sync"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/harness"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/util/hooks"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
)

// jobServer is Prism's, one for all pipelines of the process.
var jobServer = sync.OnceValues(func() (jobpb.JobServiceClient, error) {
	return prism.CreateJobServer(context.Background(), prism.Options{})
})

// Prism runs p on Beam's own runner, all in this process, until it ends or ctx does; then ErrCancelled.
func Prism(ctx context.Context, name string, p *beam.Pipeline) error {
	hooks.DisableHook(harness.DefaultRemoteLoggingHook) // the workers' log is this process's own
	if err := hooks.EnableHook(stopHook); err != nil {
		return fmt.Errorf("start the Prism runner: %w", err)
	}
	client, err := jobServer()
	if err != nil {
		return fmt.Errorf("start the Prism runner: %w", err)
	}
	return submit(ctx, client, name, p)
}
