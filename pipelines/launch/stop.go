package launch

import (
	"context"
	"runtime"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/util/hooks"
	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
)

// stopHook names the hook that keeps the answers of bundles back once their worker is told to end.
//
// A worker that ends closes the channel of its answers while its last bundles may still send theirs: a race, and a
// panic where the close is first (2.77, harness.MainWithOptions). Nobody waits for those answers.
const stopHook = "clickstream.stop"

func init() {
	hooks.RegisterHook(stopHook, func([]string) hooks.Hook { return hooks.Hook{Resp: endStopped} })
}

// endStopped ends the goroutine of a bundle whose worker is told to end. Other requests have none of their own.
func endStopped(ctx context.Context, req *fnpb.InstructionRequest, _ *fnpb.InstructionResponse) error {
	if ctx.Err() != nil && req.GetProcessBundle() != nil {
		runtime.Goexit()
	}
	return nil
}
