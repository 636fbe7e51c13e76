package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/beam/sdks/v2/go/container/tools"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/harness"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"clickstream/transforms/tracing"
)

// StartedByRunner tells whether a program's arguments are those that a runner starts a worker with, in a Process or
// Docker environment. The contract is https://s.apache.org/beam-fn-api-container-contract.
func StartedByRunner(args []string) bool {
	return len(args) > 0 && strings.HasPrefix(args[0], "--id=")
}

// Work is the worker that a runner has started this program as with args, until the runner lets it go: it asks the
// runner for the rest. beam.Init has been called. Beam's own way, the flag --worker, leaves the process behind when
// the runner is gone.
func Work(ctx context.Context, args []string) error {
	given := map[string]string{}
	for _, arg := range args {
		if name, value, ok := strings.Cut(strings.TrimPrefix(arg, "--"), "="); ok {
			given[name] = value
		}
	}
	id, provision := given["id"], given["provision_endpoint"]
	if provision == "" {
		return errors.New("a worker was started without --provision_endpoint: only runners start this program with --id")
	}
	ctx, b := endable(grpcx.WriteWorkerID(ctx, id))
	defer b.cancel()
	info, err := tools.ProvisionInfo(ctx, provision)
	if err != nil {
		return fmt.Errorf("worker %s: ask the runner at %s: %w", id, provision, said(err))
	}
	var options runtime.RawOptionsWrapper
	if err := tools.ProtoToOptions(info.GetPipelineOptions(), &options); err != nil {
		return fmt.Errorf("worker %s: the pipeline's options: %w", id, err)
	}
	runtime.GlobalOptions.Import(options.Options)
	defer tracing.Flush()
	err = harness.MainWithOptions(ctx,
		cmp.Or(info.GetLoggingEndpoint().GetUrl(), given["logging_endpoint"]), cmp.Or(info.GetControlEndpoint().GetUrl(), given["control_endpoint"]),
		harness.Options{StatusEndpoint: info.GetStatusEndpoint().GetUrl(), RunnerCapabilities: info.GetRunnerCapabilities()})
	if err != nil && status.Code(err) != codes.Canceled { // else it was told to end
		return fmt.Errorf("worker %s: %w", id, err)
	}
	return nil
}
