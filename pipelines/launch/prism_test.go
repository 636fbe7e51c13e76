package launch

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
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

func init() {
	register.DoFn2x0[[]byte, func(int64)](&lingerFn{})
	register.Emitter1[int64]()
}

// lingering is where a lingerFn's bundle waits as it ends, until it may.
var lingering = struct{ here, end chan struct{} }{make(chan struct{}), make(chan struct{})}

// lingerFn takes its time as a bundle ends.
type lingerFn struct{}

func (*lingerFn) ProcessElement([]byte, func(int64)) {}

func (*lingerFn) FinishBundle(func(int64)) {
	lingering.here <- struct{}{}
	<-lingering.end
}

// resting is a goroutine of Prism's that waits for a bundle, and asks for nothing meanwhile.
var resting = regexp.MustCompile(`(?m)^goroutine \d+ \[select[^]]*\]:\n.*prism/internal\.\(\*stage\)\.Execute\(`)

// TestOutletLetsPrismRest looks at what Prism does while a bundle takes its time to end: with an outlet it waits, and without
// it goes round and round. Where it does not any more, outlets have no use.
func TestOutletLetsPrismRest(t *testing.T) {
	for _, outlet := range []bool{true, false} {
		t.Run(fmt.Sprint(outlet), func(t *testing.T) {
			p, s := beam.NewPipelineWithRoot()
			nothing := beam.ParDo(s, &lingerFn{}, beam.Impulse(s))
			if outlet {
				Outlet(s, Prism{}, nothing)
			}
			ended := make(chan error)
			go func() { ended <- Prism{}.Run(t.Context(), "linger", p) }()
			<-lingering.here
			rests := func() bool {
				stacks := make([]byte, 4<<20)
				return resting.Match(stacks[:runtime.Stack(stacks, true)])
			}
			if outlet {
				assert.Eventually(t, rests, 10*time.Second, time.Millisecond)
			} else {
				assert.Never(t, rests, 200*time.Millisecond, time.Millisecond)
			}
			lingering.end <- struct{}{}
			require.NoError(t, <-ended)
		})
	}
}
