package launch

import (
	"context"
	"errors"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

// asked is a job service that takes no job, and remembers what it was told of one.
type asked struct {
	jobpb.JobServiceClient
	job *jobpb.PrepareJobRequest
}

func (a *asked) Prepare(_ context.Context, job *jobpb.PrepareJobRequest, _ ...grpc.CallOption) (*jobpb.PrepareJobResponse, error) {
	a.job = job
	return nil, errors.New("no more jobs are taken")
}

// TestPrismSplitsNothing has Prism be told so with each job, by the name that it knows the experiment by.
func TestPrismSplitsNothing(t *testing.T) {
	service, had := &asked{}, jobServer
	defer func() { jobServer = had }()
	jobServer = func() (jobpb.JobServiceClient, error) { return service, nil }
	p, s := beam.NewPipelineWithRoot()
	beam.Impulse(s)
	require.ErrorContains(t, Prism{}.Run(t.Context(), "job", p), "no more jobs are taken")
	assert.Equal(t, "job", service.job.GetJobName())
	var experiments []string
	for _, e := range service.job.GetPipelineOptions().GetFields()["beam:option:experiments:v1"].GetListValue().GetValues() {
		experiments = append(experiments, e.GetStringValue())
	}
	assert.Contains(t, experiments, "prism_disable_sdf_split")
	assert.Contains(t, experiments, "beam_fn_api")
}

// TestOutletIsPrisms gives no other runner one, and fails if it is used.
func TestOutletIsPrisms(t *testing.T) {
	steps := func(by Runner) (*beam.Pipeline, int) {
		p, s := beam.NewPipelineWithRoot()
		Outlet(s, by, beam.Impulse(s))
		edges, _, err := p.Build()
		require.NoError(t, err)
		return p, len(edges)
	}
	for _, by := range []Runner{JobServer{}, Dataflow{}, nil} {
		_, n := steps(by)
		assert.Equal(t, 1, n, "the impulse")
	}
	p, n := steps(Prism{})
	assert.Equal(t, 3, n)
	assert.ErrorContains(t, Prism{}.Run(t.Context(), "outlet", p), "came where nothing is to come")
}
