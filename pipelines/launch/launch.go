// Package launch runs a built pipeline on a runner, follows it, and tells how it ended.
package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/apache/beam/sdks/v2/go/container/tools"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/graphx"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/util/hooks"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/universal/runnerlib"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"clickstream/io/flink"
)

// ErrCancelled is returned when a pipeline was stopped before its end.
var ErrCancelled = errors.New("the pipeline was stopped")

// job is a pipeline on its way to a job service.
type job struct {
	name    string
	runner  string
	graph   *beam.Pipeline
	workers environment
	options map[string]any // of the runner, by their names in Beam; values as in JSON
	flink   flink.REST     // empty where it is not Flink, or not known

	experiments []string // of the runner
}

// submitHere runs j on the job service behind client, with workers in this process, until it ends. If ctx ends
// first, the job is cancelled, and ErrCancelled is returned. why is what the first bundle that failed says, or nothing.
func submitHere(ctx context.Context, client jobpb.JobServiceClient, j job) (why string, err error) {
	// The workers outlive ctx until the runner has cancelled the job: they would break what is on its way to it.
	workers, err := startPool(context.WithoutCancel(ctx), "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("start the worker pool of this process: %w", err)
	}
	j.workers = environment{graphx.URNEnvExternal, workers.address()}
	err = submit(ctx, client, j)
	return workers.stop(), err
}

// submit runs j on the job service behind client until it ends. If ctx ends first, the job is cancelled, and
// ErrCancelled is returned.
func submit(ctx context.Context, client jobpb.JobServiceClient, j job) error {
	id, err := start(ctx, client, j)
	if ctx.Err() != nil && err != nil {
		return ErrCancelled
	}
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { j.cancel(context.WithoutCancel(ctx), client, id) })
	defer stop()
	following, done := context.WithCancelCause(context.WithoutCancel(ctx))
	defer done(nil)
	if j.flink != "" {
		go func() {
			if _, err := j.flink.Await(following, j.name, finished); err == nil {
				done(errDone)
			}
		}()
	}
	err = follow(following, client, id)
	if ctx.Err() != nil {
		return ErrCancelled
	}
	if errors.Is(context.Cause(following), errDone) {
		return nil
	}
	return err
}

func finished(j flink.Job) bool { return j.State == "FINISHED" }

// errDone ends the following of a job whose runner itself has said that it is done.
var errDone = errors.New("the job is done")

// staging is held by the job that is being staged: Prism keeps what all jobs stage in one map, which it does not
// guard.
var staging sync.Mutex

// start prepares, stages and submits j, and returns the job's id.
func start(ctx context.Context, client jobpb.JobServiceClient, j job) (string, error) {
	staging.Lock()
	defer staging.Unlock()
	edges, _, err := j.graph.Build()
	if err != nil {
		return "", fmt.Errorf("build the pipeline: %w", err)
	}
	if err := resolveForeign(ctx, edges); err != nil {
		return "", err
	}
	env, err := graphx.CreateEnvironment(ctx, j.workers.urn, func(context.Context) string { return j.workers.config })
	if err != nil {
		return "", fmt.Errorf("describe the pipeline's environment: %w", err)
	}
	graph, err := graphx.Marshal(edges, &graphx.Options{Environment: env})
	if err != nil {
		return "", fmt.Errorf("encode the pipeline: %w", err)
	}
	binary, err := os.CreateTemp("", "clickstream-worker-") // no worker takes its program from there: it is empty
	if err != nil {
		return "", fmt.Errorf("stage the worker: %w", err)
	}
	defer func() { _ = os.Remove(binary.Name()) }()
	if err := binary.Close(); err != nil {
		return "", fmt.Errorf("stage the worker: %w", err)
	}
	if err := runnerlib.UpdateGoEnvironmentWorker(binary.Name(), graph); err != nil {
		return "", fmt.Errorf("stage the worker: %w", err)
	}
	options, err := pipelineOptions(j)
	if err != nil {
		return "", fmt.Errorf("encode the pipeline's options: %w", err)
	}
	prepared, err := client.Prepare(ctx, &jobpb.PrepareJobRequest{Pipeline: graph, PipelineOptions: options, JobName: j.name})
	if err != nil {
		return "", fmt.Errorf("prepare the job: %w", said(err))
	}
	token, err := runnerlib.Stage(ctx, prepared.GetPreparationId(), prepared.GetArtifactStagingEndpoint().GetUrl(), binary.Name(), prepared.GetStagingSessionToken())
	if err != nil {
		return "", fmt.Errorf("stage the worker: %w", err)
	}
	started, err := client.Run(ctx, &jobpb.RunJobRequest{PreparationId: prepared.GetPreparationId(), RetrievalToken: token})
	if err != nil {
		return "", fmt.Errorf("submit the job: %w", said(err))
	}
	return started.GetJobId(), nil
}

// pipelineOptions returns what a job tells its runner and its workers. Beam's own submitter has no place for what
// only one runner knows.
func pipelineOptions(j job) (*structpb.Struct, error) {
	hooks.SerializeHooksToOptions()
	beam.PipelineOptions.LoadOptionsFromFlags(nil)
	options, err := tools.OptionsToProto(runtime.RawOptionsWrapper{
		Options: beam.PipelineOptions.Export(), AppName: j.name, Experiments: append([]string{"beam_fn_api"}, j.experiments...),
	})
	if err != nil {
		return nil, err
	}
	for name, value := range j.options {
		if options.Fields["beam:option:"+name+":v1"], err = structpb.NewValue(value); err != nil {
			return nil, fmt.Errorf("option %s: %w", name, err)
		}
	}
	return options, nil
}

// said returns what the service said, without the words of gRPC around it.
func said(err error) error {
	if s, ok := status.FromError(err); ok && s.Message() != "" {
		return errors.New(cause(s.Message()))
	}
	return err
}

// cancel asks the job service to end the job, and Flink where it is known; follow sees it end.
func (j *job) cancel(ctx context.Context, client jobpb.JobServiceClient, id string) {
	if j.flink != "" {
		submitted, done := context.WithTimeout(ctx, time.Minute)
		err := j.flink.Cancel(submitted, j.name)
		done()
		if err == nil {
			return
		}
		slog.Warn("Flink could not be told to cancel the job; cancel it there", "job", j.name, "error", err)
	} else if j.runner == "flink" {
		slog.Warn("Flink goes on with the job until its restarts are used up, as its job service cannot cancel one: cancel it there, or name --flink-rest next time", "job", j.name)
	}
	ctx, done := context.WithTimeout(ctx, 10*time.Second)
	defer done()
	if _, err := client.Cancel(ctx, &jobpb.CancelJobRequest{JobId: id}); err != nil {
		slog.Warn("the job could not be cancelled", "job", id, "error", err)
	}
}

// follow takes the job's messages to the log until it ends, and returns why it failed, if it did.
func follow(ctx context.Context, client jobpb.JobServiceClient, job string) error {
	ctx, done := context.WithCancel(ctx)
	defer done() // ends the stream
	messages, err := client.GetMessageStream(ctx, &jobpb.JobMessagesRequest{JobId: job})
	if err != nil {
		return fmt.Errorf("follow the job: %w", err)
	}
	var failed bool
	why := "the runner does not say why"
	for {
		m, err := messages.Recv()
		switch {
		case errors.Is(err, io.EOF) && failed:
			return errors.New(why)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("follow the job: %w", err)
		}
		if text := m.GetMessageResponse(); text != nil {
			if text.GetImportance() >= jobpb.JobMessage_JOB_MESSAGE_ERROR {
				why = cause(text.GetMessageText())
			}
			slog.Debug(text.GetMessageText(), "job", job)
		}
		if state := m.GetStateResponse(); state != nil {
			slog.Debug("the job is "+strings.ToLower(state.GetState().String()), "job", job)
			switch state.GetState() {
			case jobpb.JobState_DONE, jobpb.JobState_CANCELLED:
				return nil
			case jobpb.JobState_FAILED:
				failed = true
			}
		}
		if failed && why != "the runner does not say why" {
			return errors.New(why)
		}
	}
}

// cause returns the innermost cause of an error of Beam's: the line that one of our steps returned, or that an exception
// of Java's says. The rest names plans, instructions, steps and Java's methods.
func cause(text string) string {
	if lacks := unknownStep.FindString(text); lacks != "" {
		return "the worker is another program than the one that submits the job (" + lacks + "); start the workers with that one"
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := len(lines) - 1; i > 0; i-- {
		if line := strings.TrimSpace(lines[i]); line != "" && !javaFrame.MatchString(line) {
			return line
		}
	}
	return strings.TrimSpace(lines[0])
}

// unknownStep is what a worker says that has no such step in it.
var unknownStep = regexp.MustCompile(`external key not found [\w./]+`)

// javaFrame is a line of Java's stack traces.
var javaFrame = regexp.MustCompile(`^(at )?[\w$./]+(\.<init>)?\(([\w$]+\.\w+(:\d+)?|Native Method|Unknown Source)\)( ~?\[.*\])?$|^\.\.\. \d+ more$`)
