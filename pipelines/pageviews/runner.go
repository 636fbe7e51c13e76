package pageviews

import (
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"clickstream/io/table"
	"clickstream/pipelines/launch"
	"clickstream/pipelines/settings"
)

// runner returns who is to run the pipeline.
func runner(s *settings.Run) launch.Runner {
	if s.Runner == "dataflow" {
		return dataflow(s)
	}
	if s.Runner != "flink" && s.Runner != "spark" {
		return launch.Prism{}
	}
	options := map[string]any{}
	if s.Parallelism > 0 {
		options["parallelism"] = s.Parallelism
	}
	if s.Runner == "flink" {
		for name, value := range flink(s) {
			options[name] = value
		}
	}
	for _, option := range s.RunnerOptions {
		name, value, _ := strings.Cut(option, "=")
		options[name] = value
	}
	return launch.JobServer{
		Runner: s.Runner, Endpoint: s.Endpoint, Environment: s.EnvironmentName(), EnvironmentConfig: s.EnvironmentConfig,
		Options: options, Async: s.Async, FlinkREST: s.FlinkREST,
	}
}

// flink returns Flink's options. Flink takes them by these names from the job alone, whatever its own configuration
// says.
func flink(s *settings.Run) map[string]any {
	idle := int64(math.MaxInt64) // what a run that goes on needs
	if s.Until.Word != settings.Never {
		idle = 0 // it ends once its readers do
	}
	return map[string]any{
		"streaming":              true,
		"checkpointing_interval": strconv.FormatInt(s.CheckpointInterval.Milliseconds(), 10),
		// Else a checkpoint that falls into the first bundle leaves its output, the assignments, in a buffer until
		// another element comes, and none does: the job would run and never read.
		"finish_bundle_before_checkpointing": true,
		"shutdown_sources_after_idle_ms":     strconv.FormatInt(idle, 10),
		// Else Flink tells operators apart by what they are chained to, which at a parallelism of 1 is more than at any
		// other: a savepoint would not fit. The chains are short, and cost nothing that could be measured.
		"operator_chaining": false,
	}
}

// pause returns how long a reader that has caught up waits. Beam's Flink runner before 2.76 never forgets that it was to
// resume a bundle, which costs 5 KB of each checkpoint (apache/beam issue 27648): with one in five seconds those grow by
// 90 MB a day. Nothing waits that lies behind, and no row is to be more than 30 s late.
func pause(s *settings.Run) time.Duration {
	if s.Runner != "flink" || s.PollInterval > 0 {
		return s.PollInterval
	}
	return min(time.Duration(s.Readers)*5*time.Second, 30*time.Second)
}

// forWorkers returns the settings of a table that is there, as workers need them that may be other processes, in
// other folders and on other machines.
func forWorkers(s table.Settings) (table.Settings, error) {
	s.Existing = true
	if strings.Contains(s.Path, "://") {
		return s, nil
	}
	var err error
	s.Path, err = filepath.Abs(s.Path)
	return s, err
}
