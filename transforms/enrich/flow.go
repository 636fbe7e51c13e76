package enrich

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"clickstream/transforms/teardown"
)

// maxFlow is how many visits may be on their way between the steps of a pipeline in this process. Prism holds them in
// memory, and stops nobody: a backlog would be read into memory whole.
const maxFlow = 400_000

// flow counts the visits of a pipeline that are on their way: all that were read, but those that wait for the watermark,
// which only comes by reading on, and those that are written.
type flow struct{ visits atomic.Int64 }

var flows sync.Map // pipeline → *flow

// flowOf returns the flow of a pipeline in this process.
func flowOf(pipeline string) *flow {
	f, ok := flows.Load(pipeline)
	if !ok {
		var had bool
		if f, had = flows.LoadOrStore(pipeline, &flow{}); !had {
			_ = teardown.Later(pipeline, func() error { flows.Delete(pipeline); return nil }) // at once, where it has ended
		}
	}
	return f.(*flow)
}

func (f *flow) add(n int) { f.visits.Add(int64(n)) }

// wait waits until there is room for more.
func (f *flow) wait(ctx context.Context) error {
	for f.visits.Load() > maxFlow {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}
