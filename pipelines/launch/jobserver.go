package launch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"clickstream/io/flink"
	"clickstream/io/yamlfile"
)

// JobServer is a distributed runner behind a job service of Beam's: Flink's or Spark's.
type JobServer struct {
	Runner            string // what the user calls it
	Endpoint          string // host:port of the job service
	Environment       string // where the workers are: Loopback, External, Process or Docker
	EnvironmentConfig string // the pool's address, the worker's program, or the image; empty for the usual one
	Options           map[string]any
	Async             bool   // leave the job once it runs
	FlinkREST         string // URL of Flink's own interface, to cancel jobs; empty where it is not known
}

// Reach is Runner's. It finds out as well whether the job service is that of the runner, and knows the options.
func (s JobServer) Reach(ctx context.Context) error {
	client, closeClient, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer closeClient()
	if err := s.check(ctx, client); err != nil || s.FlinkREST == "" {
		return err
	}
	ctx, done := context.WithTimeout(ctx, reachable)
	defer done()
	return flink.REST(s.FlinkREST).Reach(ctx)
}

// check asks the job service which options it knows: those of the runner are among them. What it does not know it
// would leave out without a word.
func (s JobServer) check(ctx context.Context, client jobpb.JobServiceClient) error {
	ctx, done := context.WithTimeout(ctx, reachable)
	defer done()
	known, err := client.DescribePipelineOptions(ctx, &jobpb.DescribePipelineOptionsRequest{})
	if status.Code(err) == codes.Unimplemented {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s's job service %s: %w", s.Runner, s.Endpoint, said(err))
	}
	types := map[string]jobpb.PipelineOptionType_Enum{}
	runners := map[string]bool{}
	for _, option := range known.GetOptions() {
		types[option.GetName()] = option.GetType()
		for _, runner := range []string{"flink", "spark"} {
			if strings.Contains(option.GetGroup(), ".runners."+runner+".") {
				runners[runner] = true
			}
		}
	}
	if len(runners) > 0 && !runners[s.Runner] {
		return fmt.Errorf("%s is the job service of %s, and --runner is %s; correct --endpoint or --runner", s.Endpoint, strings.Join(slices.Collect(maps.Keys(runners)), " and "), s.Runner)
	}
	for name, value := range s.Options {
		of, ok := types[name]
		if !ok && len(types) > 0 {
			return fmt.Errorf("--runner-option %s is not known to %s%s", name, s.Runner, yamlfile.Suggestion(name, slices.Sorted(maps.Keys(types))))
		}
		text := fmt.Sprint(value)
		_, notInt := strconv.ParseInt(text, 10, 64)
		_, notBool := strconv.ParseBool(text)
		switch {
		case of == jobpb.PipelineOptionType_INTEGER && notInt != nil:
			return fmt.Errorf("--runner-option %s=%s is no whole number, as %s wants it", name, text, s.Runner)
		case of == jobpb.PipelineOptionType_BOOLEAN && notBool != nil:
			return fmt.Errorf("--runner-option %s=%s is neither true nor false, as %s wants it", name, text, s.Runner)
		}
	}
	return nil
}

// IsHere is Runner's.
func (s JobServer) IsHere() bool { return s.Environment == Loopback }

// reachable is how long a job service is waited for.
const reachable = 10 * time.Second

// Run runs p until it ends, or with Async until it has begun, and then returns ErrLeft. If ctx ends first, the job is
// cancelled, and ErrCancelled is returned.
func (s JobServer) Run(ctx context.Context, name string, p *beam.Pipeline) error {
	client, closeClient, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer closeClient()
	j := job{name: name, runner: s.Runner, graph: p, options: maps.Clone(s.Options), flink: flink.REST(s.FlinkREST)}
	j.options["job_name"] = name
	if s.IsHere() {
		prepareHere()
		_, err := submitHere(ctx, client, j)
		return err
	}
	if j.workers, err = environmentOf(s.Environment, s.EnvironmentConfig); err != nil {
		return err
	}
	if !s.Async {
		return submit(ctx, client, j)
	}
	id, err := start(ctx, client, j)
	if err != nil {
		return err
	}
	slog.Info("the job runs on", "runner", s.Runner, "endpoint", s.Endpoint, "job", id)
	return ErrLeft
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
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s is no job service of Beam's: %w; correct --endpoint", s.Endpoint, said(err)), cc.Close())
	}
	return client, func() { _ = cc.Close() }, nil
}
