package launch

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/universal/extworker"
)

// DefaultPool is where a pool of workers listens, as Beam's own pools do.
const DefaultPool = "localhost:50000"

// Pool runs workers in this process for whoever asks for them at a port of this machine's loopback interface, until
// ctx ends. It is what an External environment needs on each machine that has a runner's task manager.
func Pool(ctx context.Context, port int) error {
	root, underWay := count(context.WithoutCancel(ctx))
	pool, err := extworker.StartLoopback(root, port)
	if err != nil {
		return fmt.Errorf("worker pool: %w; choose another port with --listen", err)
	}
	slog.Info("workers can be had", "at", pool.EnvironmentConfig(ctx))
	<-ctx.Done()
	err = pool.Stop(context.WithoutCancel(ctx))
	underWay.wait()
	return err
}
