package launch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// JobServer is a distributed runner behind a job service of Beam's: Flink's or Spark's.
type JobServer struct {
	Runner            string // what the user calls it
	Endpoint          string // host:port of the job service
	Environment       string // where the workers are: Loopback, External, Process or Docker
	EnvironmentConfig string // the pool's address, the worker's program, or the image; empty for the usual one
	Options           map[string]any
	Async             bool // leave the job once it runs
}

// Reach is Runner's.
func (s JobServer) Reach(ctx context.Context) error {
	_, closeClient, err := s.dial(ctx)
	if err == nil {
		closeClient()
	}
	return err
}

// IsHere is Runner's.
func (s JobServer) IsHere() bool { return s.Environment == Loopback }

// reachable is how long a job service is waited for.
const reachable = 10 * time.Second

// Run runs p until it ends, or with Async until it has begun. If ctx ends first, the job is cancelled, and ErrCancelled is
// returned.
func (s JobServer) Run(ctx context.Context, name string, p *beam.Pipeline) error {
	client, closeClient, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer closeClient()
	j := job{name: name, graph: p, options: s.Options}
	if s.IsHere() {
		if err := prepareHere(); err != nil {
			return fmt.Errorf("start workers in this process: %w", err)
		}
		return submitHere(ctx, client, j)
	}
	if j.workers, err = environmentOf(s.Environment, s.EnvironmentConfig); err != nil {
		return err
	}
	if !s.Async {
		return submit(ctx, client, j)
	}
	id, err := start(ctx, client, j)
	if err == nil {
		slog.Info("the job runs on", "runner", s.Runner, "endpoint", s.Endpoint, "job", id)
	}
	return err
}

// dial connects to the job service, and finds out early that there is none.
func (s JobServer) dial(ctx context.Context) (jobpb.JobServiceClient, func(), error) {
	ctx, done := context.WithTimeout(ctx, reachable)
	defer done()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Endpoint)
	if err != nil {
		return nil, nil, fmt.Errorf("%s's job service %s cannot be reached: %w; start it, or correct --endpoint", s.Runner, s.Endpoint, err)
	}
	_ = conn.Close() // it was only to see whether somebody listens
	cc, err := grpcx.Dial(ctx, s.Endpoint, reachable)
	if err != nil {
		return nil, nil, fmt.Errorf("%s's job service %s does not answer: %w; correct --endpoint", s.Runner, s.Endpoint, err)
	}
	client := jobpb.NewJobServiceClient(cc)
	_, err = client.GetJobs(ctx, &jobpb.GetJobsRequest{})
	if err != nil && status.Code(err) != codes.Unimplemented {
		return nil, nil, errors.Join(fmt.Errorf("%s is no job service of Beam's: %w; correct --endpoint", s.Endpoint, said(err)), cc.Close())
	}
	return client, func() { _ = cc.Close() }, nil
}
