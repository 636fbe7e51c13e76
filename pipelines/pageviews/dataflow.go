package pageviews

import (
	"os"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/dataflow/dataflowlib"

	"clickstream/pipelines/launch"
	"clickstream/pipelines/settings"
)

// dataflow returns Dataflow as the settings want it.
func dataflow(s *settings.Run) launch.Dataflow {
	d := s.Dataflow
	to := launch.Dataflow{
		Job: dataflowlib.JobOptions{
			Name: d.JobName, Project: d.Project, Region: d.Region, TempLocation: d.TempLocation, TemplateLocation: d.TemplateLocation,
			ContainerImage: d.SDKContainerImage, Worker: d.WorkerBinary, MachineType: d.WorkerMachineType,
			NumWorkers: int64(d.NumWorkers), MaxNumWorkers: int64(d.MaxNumWorkers), Algorithm: d.AutoscalingAlgorithm,
			FlexRSGoal: d.FlexRSGoal, DiskSizeGb: int64(d.DiskSizeGB), WorkerZone: d.WorkerZone,
			Network: d.Network, Subnetwork: d.Subnetwork, NoUsePublicIPs: d.NoUsePublicIPs,
			ServiceAccountEmail: d.ServiceAccountEmail, KmsKey: d.DataflowKMSKey, Labels: d.Labels,
			Experiments: d.Experiments, DataflowServiceOptions: d.DataflowServiceOptions,
		},
		StagingLocation: d.StagingLocation, Endpoint: s.Endpoint, Async: s.Async,
	}
	if d.DryRun {
		to.DryRun = os.Stdout
	}
	return to
}

// whole tells whether each reader reads all that it is to read in one bundle. Spark resumes none. Of a run that ends,
// Dataflow makes a batch job, which is cheaper, may wait for cheap machines, and ends by itself: a streaming one would
// go on with its last windows open until it is drained.
func whole(s *settings.Run) bool {
	return s.Runner == "spark" || s.Runner == "dataflow" && s.Bounded()
}
