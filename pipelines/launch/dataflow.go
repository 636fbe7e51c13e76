package launch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/graphx"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/util/hooks"
	pipepb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/pipeline_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/dataflow/dataflowlib"
	df "google.golang.org/api/dataflow/v1b3"
	"google.golang.org/protobuf/proto"
)

// ErrLeft is returned when a job goes on, or will be begun, without this process: nothing is known of its end.
var ErrLeft = errors.New("the job is left to its runner")

// Dataflow is Google Cloud Dataflow. Beam's own submitter takes its options from the flags of the process, and
// sleeps for half a minute at a time; of it only the translation to a job is used.
type Dataflow struct {
	Job             dataflowlib.JobOptions // the name is the run's where it is empty, the worker's program this one
	StagingLocation string                 // gs://bucket/path
	Endpoint        string                 // URL of Dataflow's API; empty for Google's. One of http:// is a stand-in, and gets no credentials
	Async           bool                   // leave the job once it runs
	DryRun          io.Writer              // takes the job as JSON, in place of all else; nil otherwise
	Poll            time.Duration          // how often the job is looked at; 0 is 10 s
}

// IsHere is Runner's.
func (Dataflow) IsHere() bool { return false }

// Reach is Runner's. It finds out as well whether the credentials are good for the staging location, and for
// Dataflow where this process is to create the job.
func (d Dataflow) Reach(ctx context.Context) error {
	if d.DryRun != nil {
		return nil
	}
	staging, err := d.staging(ctx)
	if err != nil {
		return err
	}
	for _, err := range staging.List(ctx, "none/", "") { // an answer is enough
		if err != nil {
			return fmt.Errorf("--staging-location: %w", err)
		}
	}
	if d.Job.TemplateLocation != "" {
		return nil
	}
	service, err := d.service(ctx)
	if err != nil {
		return err
	}
	ctx, done := context.WithTimeout(ctx, reachable)
	defer done()
	_, err = service.Projects.Locations.Jobs.List(d.Job.Project, d.Job.Region).PageSize(1).Context(ctx).Do()
	return d.explain("list its jobs", err)
}

// Run runs p until it ends, or with Async until it has begun; then, and where the job is only written or printed,
// it returns ErrLeft. If ctx ends first, Dataflow is told to cancel the job, and ErrCancelled is returned.
func (d Dataflow) Run(ctx context.Context, name string, p *beam.Pipeline) error {
	err := d.run(ctx, name, p)
	if ctx.Err() != nil && err != nil && !errors.Is(err, ErrLeft) {
		return ErrCancelled
	}
	return err
}

func (d Dataflow) run(ctx context.Context, name string, p *beam.Pipeline) error {
	program, err := programOf(d.Job.Worker, d.Job.MachineType)
	if err != nil {
		return err
	}
	d.Job.WorkerHash = program.hash
	root := strings.TrimRight(d.StagingLocation, "/")
	workerName, modelName := program.hash[:32]+"/worker", name+"/model" // Dataflow looks for a package of the name worker
	pipeline, err := d.model(ctx, p, root+"/"+workerName)
	if err != nil {
		return err
	}
	model, err := proto.MarshalOptions{Deterministic: true}.Marshal(pipeline)
	if err != nil {
		return fmt.Errorf("encode the pipeline: %w", err)
	}
	d.options(name, root)
	hash := sha256.Sum256(model)
	made, err := dataflowlib.Translate(ctx, pipeline, &d.Job, root+"/"+workerName, root+"/"+modelName, hex.EncodeToString(hash[:]))
	if err != nil {
		return fmt.Errorf("describe the job: %w", err)
	}
	made.ClientRequestId = name // should the request be sent again, it makes no second job
	if d.DryRun != nil {
		return d.print(made)
	}
	staging, err := d.staging(ctx)
	if err != nil {
		return err
	}
	if err := program.stage(ctx, staging, workerName); err != nil {
		return fmt.Errorf("stage the worker: %w", err)
	}
	if err := staging.Put(ctx, modelName, model); err != nil {
		return fmt.Errorf("stage the pipeline: %w", err)
	}
	if d.Job.TemplateLocation != "" {
		return d.write(ctx, made)
	}
	return d.submit(ctx, made)
}

// model encodes the graph, for workers that find their program at workerURL. It finds out whether the job streams.
func (d *Dataflow) model(ctx context.Context, p *beam.Pipeline, workerURL string) (*pipepb.Pipeline, error) {
	edges, nodes, err := p.Build()
	if err != nil {
		return nil, fmt.Errorf("build the pipeline: %w", err)
	}
	d.Job.Streaming = !graph.Bounded(nodes)
	d.Job.ContainerImage = cmp.Or(d.Job.ContainerImage, "gcr.io/cloud-dataflow/v1beta3/beam_go_sdk:"+core.SdkVersion)
	env, err := graphx.CreateEnvironment(ctx, graphx.URNEnvDocker, func(context.Context) string { return d.Job.ContainerImage })
	if err != nil {
		return nil, fmt.Errorf("describe the pipeline's environment: %w", err)
	}
	model, err := graphx.Marshal(edges, &graphx.Options{Environment: env})
	if err != nil {
		return nil, fmt.Errorf("encode the pipeline: %w", err)
	}
	artifact, err := proto.Marshal(&pipepb.ArtifactUrlPayload{Url: workerURL, Sha256: d.Job.WorkerHash})
	if err != nil {
		return nil, fmt.Errorf("describe the worker: %w", err)
	}
	if err := graphx.UpdateDefaultEnvWorkerType(graphx.URNArtifactURLType, artifact, model); err != nil {
		return nil, fmt.Errorf("describe the worker: %w", err)
	}
	return model, nil
}

// options fills in what follows from the rest.
func (d *Dataflow) options(name, root string) {
	d.Job.Name = cmp.Or(d.Job.Name, name)
	d.Job.TempLocation = cmp.Or(d.Job.TempLocation, root+"/tmp")
	// What Beam's own submitter always asks for (2.77, getJobOptions): Dataflow runs Go in no other way.
	wanted := []string{"beam_fn_api", "use_runner_v2", "use_unified_worker", "use_portable_job_submission"}
	if d.Job.Streaming {
		wanted = append(wanted, "enable_streaming_engine", "enable_windmill_service")
	}
	d.Job.Experiments = slices.Clone(d.Job.Experiments)
	for _, experiment := range wanted {
		if !slices.Contains(d.Job.Experiments, experiment) {
			d.Job.Experiments = append(d.Job.Experiments, experiment)
		}
	}
	hooks.SerializeHooksToOptions()
	beam.PipelineOptions.LoadOptionsFromFlags(nil)
	d.Job.Options = beam.PipelineOptions.Export()
}

func (d Dataflow) print(job *df.Job) error {
	text, err := json.MarshalIndent(job, "", "  ")
	if err == nil {
		_, err = d.DryRun.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("print the job: %w", err)
	}
	return ErrLeft
}

// submit creates the job, and follows it.
func (d Dataflow) submit(ctx context.Context, job *df.Job) error {
	service, err := d.service(ctx)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// A job that is created while ctx ends would run on, and nobody would know of it.
	creating, done := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer done()
	created, err := service.Projects.Locations.Jobs.Create(d.Job.Project, d.Job.Region, job).Context(creating).Do()
	if err != nil {
		return d.explain("create the job "+job.Name, err)
	}
	slog.Info("the job is Dataflow's", "job", created.Id, "name", job.Name,
		"see", fmt.Sprintf("https://console.cloud.google.com/dataflow/jobs/%s/%s?project=%s", d.Job.Region, created.Id, d.Job.Project))
	if d.Async {
		return ErrLeft
	}
	return d.follow(ctx, service, created.Id)
}
