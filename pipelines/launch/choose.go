package launch

import (
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/dataflow/dataflowlib"

	"clickstream/pipelines/settings"
)

// For returns who is to run a pipeline that reads in, as j says.
func For(j *settings.Job, in *settings.Input) Runner {
	if j.Runner == "dataflow" {
		return forDataflow(j)
	}
	if j.Runner != "flink" && j.Runner != "spark" {
		return Prism{}
	}
	options := map[string]any{}
	if j.Parallelism > 0 {
		options["parallelism"] = j.Parallelism
	}
	if j.Runner == "flink" {
		for name, value := range flinkOptions(j, in) {
			options[name] = value
		}
	}
	for _, option := range j.RunnerOptions {
		name, value, _ := strings.Cut(option, "=")
		options[name] = value
	}
	return JobServer{
		Runner: j.Runner, Endpoint: j.Endpoint, Environment: j.EnvironmentName(), EnvironmentConfig: j.EnvironmentConfig,
		Options: options, Async: j.Async, FlinkREST: j.FlinkREST,
	}
}

// flinkOptions returns Flink's options. Flink takes them by these names from the job alone, whatever its own configuration
// says.
func flinkOptions(j *settings.Job, in *settings.Input) map[string]any {
	idle := int64(math.MaxInt64) // what a run that goes on needs
	if in.Bounded() {
		idle = 0 // it ends once its readers do
	}
	return map[string]any{
		"streaming":              true,
		"checkpointing_interval": strconv.FormatInt(j.CheckpointInterval.Milliseconds(), 10),
		// Else a checkpoint that falls into the first bundle leaves its output, the assignments, in a buffer until
		// another element comes, and none does: the job would run and never read.
		"finish_bundle_before_checkpointing": true,
		"shutdown_sources_after_idle_ms":     strconv.FormatInt(idle, 10),
		// Else Flink tells operators apart by what they are chained to, which at a parallelism of 1 is more than at any
		// other: a savepoint would not fit. The chains are short, and cost nothing that could be measured.
		"operator_chaining": false,
	}
}

// Pause returns how long a reader that has caught up waits. Beam's Flink runner before 2.76 never forgets that it was to
// resume a bundle, which costs 5 KB of each checkpoint (apache/beam issue 27648): with one in five seconds those grow by
// 90 MB a day. Nothing waits that lies behind, and no row is to be more than 30 s late.
func Pause(j *settings.Job, in *settings.Input) time.Duration {
	if j.Runner != "flink" || j.PollInterval > 0 {
		return j.PollInterval
	}
	return min(time.Duration(in.Readers)*5*time.Second, 30*time.Second)
}

// forDataflow returns Dataflow as the settings want it.
func forDataflow(j *settings.Job) Dataflow {
	d := j.Dataflow
	to := Dataflow{
		Job: dataflowlib.JobOptions{
			Name: d.JobName, Project: d.Project, Region: d.Region, TempLocation: d.TempLocation, TemplateLocation: d.TemplateLocation,
			ContainerImage: d.SDKContainerImage, Worker: d.WorkerBinary, MachineType: d.WorkerMachineType,
			NumWorkers: int64(d.NumWorkers), MaxNumWorkers: int64(d.MaxNumWorkers), Algorithm: d.AutoscalingAlgorithm,
			FlexRSGoal: d.FlexRSGoal, DiskSizeGb: int64(d.DiskSizeGB), WorkerZone: d.WorkerZone,
			Network: d.Network, Subnetwork: d.Subnetwork, NoUsePublicIPs: d.NoUsePublicIPs,
			ServiceAccountEmail: d.ServiceAccountEmail, KmsKey: d.DataflowKMSKey, Labels: d.Labels,
			Experiments: d.Experiments, DataflowServiceOptions: d.DataflowServiceOptions,
		},
		StagingLocation: d.StagingLocation, Endpoint: j.Endpoint, Async: j.Async,
	}
	if d.DryRun {
		to.DryRun = os.Stdout
	}
	return to
}

// Whole tells whether each reader reads all that it is to read in one bundle. Spark resumes none. Of a run that ends,
// Dataflow makes a batch job, which is cheaper, may wait for cheap machines, and ends by itself: a streaming one would
// go on with its last windows open until it is drained.
func Whole(j *settings.Job, in *settings.Input) bool {
	return j.Runner == "spark" || j.Runner == "dataflow" && in.Bounded()
}
