package main

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	pipepb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/pipeline_v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/structpb"
)

// runnerSide is a runner as its workers see it: it provides, controls one worker, and takes its log.
type runnerSide struct {
	fnpb.UnimplementedProvisionServiceServer
	fnpb.UnimplementedBeamFnControlServer
	fnpb.UnimplementedBeamFnLoggingServer

	*testing.T
	address string
	asked   chan string // ids of the workers that asked for their provisions
	answers chan *fnpb.InstructionResponse
	ids     chan string // of the workers that connected to be controlled
	release chan struct{}
}

func newRunnerSide(t *testing.T) *runnerSide {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &runnerSide{
		T: t, address: l.Addr().String(), asked: make(chan string, 1), ids: make(chan string, 1),
		answers: make(chan *fnpb.InstructionResponse, 1), release: make(chan struct{}),
	}
	s := grpc.NewServer()
	fnpb.RegisterProvisionServiceServer(s, r)
	fnpb.RegisterBeamFnControlServer(s, r)
	fnpb.RegisterBeamFnLoggingServer(s, r)
	go func() { _ = s.Serve(l) }() // it ends when the server is stopped
	t.Cleanup(s.Stop)
	return r
}

func workerID(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	return strings.Join(md.Get("worker_id"), ",")
}

// GetProvisionInfo answers as Dataflow does: options with more than Go's in them, and all endpoints.
func (r *runnerSide) GetProvisionInfo(ctx context.Context, _ *fnpb.GetProvisionInfoRequest) (*fnpb.GetProvisionInfoResponse, error) {
	r.asked <- workerID(ctx)
	options, err := structpb.NewStruct(map[string]any{
		"options":                    map[string]any{"pipelineUrl": "gs://bucket/model", "experiments": []any{"use_runner_v2"}},
		"display_data":               []any{map[string]any{"key": "name"}},
		"beam:option:go_options:v1":  map[string]any{"options": map[string]any{"experiments": "use_runner_v2"}},
		"beam:option:experiments:v1": []any{"use_runner_v2"},
	})
	here := &pipepb.ApiServiceDescriptor{Url: r.address}
	return &fnpb.GetProvisionInfoResponse{Info: &fnpb.ProvisionInfo{PipelineOptions: options, ControlEndpoint: here, LoggingEndpoint: here}}, err
}

// Control asks a worker one thing, and lets it go when the test says so.
func (r *runnerSide) Control(stream fnpb.BeamFnControl_ControlServer) error {
	r.ids <- workerID(stream.Context())
	err := stream.Send(&fnpb.InstructionRequest{InstructionId: "7", Request: &fnpb.InstructionRequest_HarnessMonitoringInfos{HarnessMonitoringInfos: &fnpb.HarnessMonitoringInfosRequest{}}})
	if err != nil {
		return err
	}
	answer, err := stream.Recv()
	if err != nil {
		return err
	}
	r.answers <- answer
	<-r.release
	return nil
}

// Logging takes what comes.
func (r *runnerSide) Logging(stream fnpb.BeamFnLogging_LoggingServer) error {
	for {
		if _, err := stream.Recv(); err != nil {
			return nil //nolint:nilerr // the worker's end is the log's
		}
	}
}

// TestEntryPoint starts the program as runners start what is in the image, in both ways: as a boot program, which asks for the
// rest, and as Beam's own boot program starts it, once it has downloaded it. The conformance suite does so on Flink.
func TestEntryPoint(t *testing.T) {
	for name, c := range map[string]struct {
		args  func(address string) []string
		asks  bool
		stays bool // until the container is removed, as Beam's way has it
	}{
		"boot program": {asks: true, args: func(a string) []string {
			return []string{"--id=w-1", "--provision_endpoint=" + a, "--logging_endpoint=" + a, "--artifact_endpoint=" + a, "--control_endpoint=" + a, "--semi_persist_dir=/tmp"}
		}},
		"boot program that is told less": {asks: true, args: func(a string) []string { return []string{"--id=w-1", "--provision_endpoint=" + a} }},
		"of Beam's boot program": {stays: true, args: func(a string) []string {
			return []string{"--worker=true", "--id=w-1", "--logging_endpoint=" + a, "--control_endpoint=" + a, "--semi_persist_dir=/tmp"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRunnerSide(t)
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			var said bytes.Buffer
			worker := exec.CommandContext(ctx, "clickstream", c.args(r.address)...)
			worker.Stdout, worker.Stderr, worker.Dir = &said, &said, t.TempDir()
			require.NoError(t, worker.Start())
			ended := make(chan error, 1)
			go func() { ended <- worker.Wait() }()
			next := func(from chan string) string {
				select {
				case id := <-from:
					return id
				case err := <-ended:
					require.FailNow(t, "the worker ended", "%v: %s", err, &said)
				}
				return ""
			}
			if c.asks {
				assert.Equal(t, "w-1", next(r.asked))
			}
			assert.Equal(t, "w-1", next(r.ids))
			answer := <-r.answers
			assert.Equal(t, "7", answer.GetInstructionId())
			assert.Empty(t, answer.GetError())
			assert.NotNil(t, answer.GetHarnessMonitoringInfos())
			close(r.release)
			if c.stays {
				require.NoError(t, worker.Process.Kill())
				assert.ErrorContains(t, <-ended, "killed")
				return
			}
			require.NoError(t, <-ended, "%s", &said)
		})
	}
}

// TestEntryPointWithoutARunner ends with one line.
func TestEntryPointWithoutARunner(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "clickstream", "--id=w-1").CombinedOutput()
	require.ErrorContains(t, err, "exit status 1")
	assert.Equal(t, "clickstream: a worker was started without --provision_endpoint: only runners start this program with --id\n", string(out))
}
