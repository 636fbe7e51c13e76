package launch

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/util/hooks"
	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
)

// stopHook names the hook that follows the bundles of a job, so that its end is an end: what they have opened is
// closed by then, and none answers any more.
//
// A worker that ends does not wait for its bundles, and closes the channel of its answers while the last ones may
// still send theirs: a race, and a panic where the close is first (2.77, harness.MainWithOptions). Nobody waits for
// those answers.
const stopHook = "clickstream.stop"

func init() {
	hooks.RegisterHook(stopHook, func([]string) hooks.Hook {
		return hooks.Hook{Req: beginBundle, Resp: endBundle}
	})
}

// bundles counts the bundles of a job that are under way.
type bundles struct{ atomic.Int64 }

type bundlesKey struct{}

// count makes the context of a job's workers, whose bundles are counted.
func count(ctx context.Context) (context.Context, *bundles) {
	b := &bundles{}
	return context.WithValue(ctx, bundlesKey{}, b), b
}

// lastBundles is how long the bundles of a job that has ended are waited for. A bundle that is told to end does so
// within a few milliseconds, unless it waits for a disk or a broker that hangs.
const lastBundles = 5 * time.Second

// wait waits until no bundle is under way.
func (b *bundles) wait() {
	for end := time.Now().Add(lastBundles); b.Load() > 0 && time.Now().Before(end); {
		<-time.After(time.Millisecond)
	}
}

func beginBundle(ctx context.Context, req *fnpb.InstructionRequest) (context.Context, error) {
	if b, ok := ctx.Value(bundlesKey{}).(*bundles); ok && req.GetProcessBundle() != nil {
		b.Add(1)
	}
	return ctx, nil
}

// endBundle ends the goroutine of a bundle whose worker is told to end. Other requests have none of their own.
func endBundle(ctx context.Context, req *fnpb.InstructionRequest, _ *fnpb.InstructionResponse) error {
	if req.GetProcessBundle() == nil {
		return nil
	}
	if b, ok := ctx.Value(bundlesKey{}).(*bundles); ok {
		b.Add(-1)
	}
	if ctx.Err() != nil {
		runtime.Goexit()
	}
	return nil
}
