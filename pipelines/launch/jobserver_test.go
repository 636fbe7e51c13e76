package launch

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

// jobService is one of Flink's, as far as its options go.
type jobService struct {
	jobpb.UnimplementedJobServiceServer
}

func (jobService) GetJobs(context.Context, *jobpb.GetJobsRequest) (*jobpb.GetJobsResponse, error) {
	return &jobpb.GetJobsResponse{}, nil
}

func (jobService) DescribePipelineOptions(context.Context, *jobpb.DescribePipelineOptionsRequest) (*jobpb.DescribePipelineOptionsResponse, error) {
	option := func(name string, of jobpb.PipelineOptionType_Enum) *jobpb.PipelineOptionDescriptor {
		return &jobpb.PipelineOptionDescriptor{Name: name, Type: of, Group: "org.apache.beam.runners.flink.FlinkPipelineOptions"}
	}
	return &jobpb.DescribePipelineOptionsResponse{Options: []*jobpb.PipelineOptionDescriptor{
		option("parallelism", jobpb.PipelineOptionType_INTEGER), option("object_reuse", jobpb.PipelineOptionType_BOOLEAN),
		option("state_backend", jobpb.PipelineOptionType_STRING),
	}}, nil
}

// serve returns the address of a server of the services that register adds.
func serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer()
	register(s)
	go func() { _ = s.Serve(l) }() // it ends when the server is stopped
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

// TestReach finds out early what would not run. The real job services are asked by the conformance suite.
func TestReach(t *testing.T) {
	flink := serve(t, func(s *grpc.Server) { jobpb.RegisterJobServiceServer(s, jobService{}) })
	other := serve(t, func(*grpc.Server) {})
	rest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := w.Write([]byte(`{"flink-version":"1.19.3"}`))
		assert.NoError(t, err)
		assert.Equal(t, "/config", r.URL.Path)
	}))
	defer rest.Close()
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()
	with := func(name string, value any) map[string]any { return map[string]any{name: value} }
	for name, c := range map[string]struct {
		server JobServer
		want   string // nothing when all is well
	}{
		"it is there":       {JobServer{Runner: "flink", Endpoint: flink, Options: with("parallelism", 2), FlinkREST: rest.URL}, ""},
		"numbers as text":   {JobServer{Runner: "flink", Endpoint: flink, Options: with("parallelism", "2")}, ""},
		"nobody":            {JobServer{Runner: "flink", Endpoint: "127.0.0.1:1"}, "flink's job service 127.0.0.1:1 cannot be reached"},
		"another service":   {JobServer{Runner: "flink", Endpoint: other}, "is no job service of Beam's"},
		"another runner's":  {JobServer{Runner: "spark", Endpoint: flink}, "is the job service of flink, and --runner is spark"},
		"an unknown option": {JobServer{Runner: "flink", Endpoint: flink, Options: with("statebackend", "x")}, "--runner-option statebackend is not known to flink; did you mean state_backend?"},
		"no number":         {JobServer{Runner: "flink", Endpoint: flink, Options: with("parallelism", "two")}, "--runner-option parallelism=two is no whole number"},
		"no truth":          {JobServer{Runner: "flink", Endpoint: flink, Options: with("object_reuse", "maybe")}, "--runner-option object_reuse=maybe is neither true nor false"},
		"no REST":           {JobServer{Runner: "flink", Endpoint: flink, FlinkREST: "http://127.0.0.1:1"}, "correct --flink-rest"},
		"another REST":      {JobServer{Runner: "flink", Endpoint: flink, FlinkREST: empty.URL}, "404 Not Found; start Flink, or correct --flink-rest"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.server.Reach(t.Context())
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestEnvironmentOf(t *testing.T) {
	for _, name := range []string{External, Process, Docker} {
		e, err := environmentOf(name, "where")
		require.NoError(t, err)
		assert.Contains(t, e.config, "where")
	}
	e, err := environmentOf(External, "")
	require.NoError(t, err)
	assert.Equal(t, DefaultPool, e.config)
	e, err = environmentOf(Process, "")
	require.NoError(t, err)
	assert.Contains(t, e.config, ".test", "this very program")
	_, err = environmentOf("moon", "")
	require.ErrorContains(t, err, `environment "moon" is none of`)
}
