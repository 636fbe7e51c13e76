package launch

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/harness"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/util/hooks"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
)

// jobServer is Prism's, one for all pipelines of the process.
var jobServer = sync.OnceValues(func() (jobpb.JobServiceClient, error) {
	return prism.CreateJobServer(context.Background(), prism.Options{})
})

// Runner runs pipelines.
type Runner interface {
	// Run runs p until it ends or ctx does; then it returns ErrCancelled.
	Run(ctx context.Context, name string, p *beam.Pipeline) error
	// Reach returns an error when the runner is not there.
	Reach(ctx context.Context) error
	// IsHere tells whether the pipeline's steps run in this process.
	IsHere() bool
}

// Prism is Beam's own runner. All of it is in this process.
type Prism struct{}

// Reach is Runner's.
func (Prism) Reach(context.Context) error { return nil }

// IsHere is Runner's.
func (Prism) IsHere() bool { return true }

// Run is Runner's.
func (Prism) Run(ctx context.Context, name string, p *beam.Pipeline) error {
	prepareHere()
	client, err := jobServer()
	if err != nil {
		return fmt.Errorf("start the Prism runner: %w", err)
	}
	why, err := submitHere(ctx, client, job{name: name, graph: p, experiments: []string{noSplits}})
	if err != nil && why != "" && !errors.Is(err, ErrCancelled) {
		// Prism tries nothing again. Once a bundle has failed, it may find itself stuck before it says what of (2.77,
		// executePipeline, FailBundle).
		return errors.New(cause(why))
	}
	return err
}

// Outlet gives the stage that is to write to nothing, and never does, an output. Prism keeps a core busy from when the
// outputs of a bundle have ended until the bundle has: for as long as it takes, where there are none (2.77, stage.Execute:
// it selects from a channel that is closed). Other runners rest, and get no outlet.
func Outlet(s beam.Scope, by Runner, nothing beam.PCollection) {
	if by == Runner(Prism{}) {
		beam.ParDo0(s.Scope("launch.Outlet"), &outletFn{}, beam.Reshuffle(s, nothing)) // which begins another stage
	}
}

func init() { beam.RegisterType(reflect.TypeFor[outletFn]()) }

// outletFn gets nothing.
type outletFn struct{}

// ProcessElement fails: what came was to go elsewhere.
func (*outletFn) ProcessElement(x beam.X) error {
	return fmt.Errorf("%v came where nothing is to come", x)
}

// noSplits keeps Prism from splitting bundles that are slow. Where one has several elements of a key, it forgets that the
// key is busy as it takes back the last of them (2.77, engine's splitBundle): two bundles then work on the key's state, and
// what one has written is lost. Nothing here gains by a split.
const noSplits = "prism_disable_sdf_split"

// prepareHere makes Beam's workers of this process log where the process does.
func prepareHere() { hooks.DisableHook(harness.DefaultRemoteLoggingHook) }
