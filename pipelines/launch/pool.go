package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/apache/beam/sdks/v2/go/container/tools"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/harness"
	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"
	"google.golang.org/grpc"

	"clickstream/transforms/tracing"
)

// DefaultPool is where a pool of workers listens, as Beam's own pools do.
const DefaultPool = "localhost:50000"

// Pool runs workers in this process for whoever asks for them at address, which is of this machine alone, until ctx
// ends. It is what an External environment needs on each machine that has a runner's task manager.
func Pool(ctx context.Context, address string) error {
	prepareHere()
	p, err := startPool(context.WithoutCancel(ctx), address)
	if err != nil {
		return fmt.Errorf("worker pool: %w; choose another port with --listen", err)
	}
	slog.Info("workers can be had", "at", p.address())
	<-ctx.Done()
	p.stop()
	return nil
}

// pool starts workers in this process. Beam's own pool knows workers by their ids, by which each of Flink's task
// managers counts its own: a second one would get none (2.77, extworker).
type pool struct {
	fnpb.UnimplementedBeamFnExternalWorkerPoolServer

	listener net.Listener
	server   *grpc.Server
	root     context.Context // of the workers
	end      context.CancelFunc
	working  sync.WaitGroup

	mu      sync.Mutex
	workers map[worker]*bundles
	why     string // what the first bundle that failed says, of workers that have ended
}

// worker is one worker: ids are a task manager's own.
type worker struct{ id, control string }

// startPool begins to listen at address. The workers' context is ctx.
func startPool(ctx context.Context, address string) (*pool, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	root, end := context.WithCancel(ctx)
	p := &pool{listener: listener, server: grpc.NewServer(grpc.WaitForHandlers(true)), root: root, end: end, workers: map[worker]*bundles{}}
	fnpb.RegisterBeamFnExternalWorkerPoolServer(p.server, p)
	go func() { _ = p.server.Serve(listener) }() // it ends when the server is stopped
	return p, nil
}

func (p *pool) address() string { return p.listener.Addr().String() }

// stop ends all workers, once their bundles are done, and returns what the first bundle that failed says, or nothing.
func (p *pool) stop() (why string) {
	p.server.Stop()
	p.end()
	p.working.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// StartWorker starts a worker for a runner.
func (p *pool) StartWorker(_ context.Context, req *fnpb.StartWorkerRequest) (*fnpb.StartWorkerResponse, error) {
	w := worker{req.GetWorkerId(), req.GetControlEndpoint().GetUrl()}
	if w.control == "" || req.GetLoggingEndpoint().GetUrl() == "" {
		return &fnpb.StartWorkerResponse{Error: fmt.Sprintf("worker %s is to be started, and no endpoint is named for its control or its log", w.id)}, nil
	}
	ctx, b := endable(grpcx.WriteWorkerID(p.root, w.id))
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.workers[w]; ok {
		b.cancel()
		return &fnpb.StartWorkerResponse{Error: fmt.Sprintf("worker %s of %s is there already", w.id, w.control)}, nil
	}
	p.workers[w] = b
	p.working.Go(func() { p.work(ctx, w, req) })
	return &fnpb.StartWorkerResponse{}, nil
}

// work is a worker, until its runner closes the stream that controls it, and its bundles are done.
func (p *pool) work(ctx context.Context, w worker, req *fnpb.StartWorkerRequest) {
	var options harness.Options
	if url := req.GetProvisionEndpoint().GetUrl(); url != "" {
		if info, err := tools.ProvisionInfo(ctx, url); err == nil { // else without
			options.StatusEndpoint, options.RunnerCapabilities = info.GetStatusEndpoint().GetUrl(), info.GetRunnerCapabilities()
		}
	}
	err := harness.MainWithOptions(ctx, req.GetLoggingEndpoint().GetUrl(), w.control, options)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		slog.Debug("a worker ended", "worker", w.id, "error", err)
	}
	tracing.Flush()
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.workers[w]
	p.why = cmp.Or(p.why, b.failure())
	b.cancel()
	delete(p.workers, w)
}

// grace is how long a worker goes on after its runner has asked for its end. Prism asks once a job is cancelled, and
// then closes the channels by which it speaks to the worker, with an eye on none of those that may still send: a race,
// and a panic where the close is first (2.77, worker.W.shutdown). They see the end of the job within this time.
const grace = 50 * time.Millisecond

// StopWorker ends a worker, where its id tells which: others end when their runner closes their streams.
func (p *pool) StopWorker(ctx context.Context, req *fnpb.StopWorkerRequest) (*fnpb.StopWorkerResponse, error) {
	select {
	case <-ctx.Done():
	case <-time.After(grace):
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var named []*bundles
	for w, b := range p.workers {
		if w.id == req.GetWorkerId() {
			named = append(named, b)
		}
	}
	if len(named) == 1 {
		named[0].cancel()
	}
	return &fnpb.StopWorkerResponse{}, nil
}
