package launch

import (
	"context"
	"testing"

	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	"github.com/stretchr/testify/assert"
)

func TestStoppedBundlesDoNotAnswer(t *testing.T) {
	bundle := &fnpb.InstructionRequest{Request: &fnpb.InstructionRequest_ProcessBundle{ProcessBundle: &fnpb.ProcessBundleRequest{}}}
	progress := &fnpb.InstructionRequest{Request: &fnpb.InstructionRequest_ProcessBundleProgress{}}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	answers := func(ctx context.Context, req *fnpb.InstructionRequest) (answered bool) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			answered = endStopped(ctx, req, nil) == nil
		}()
		<-done
		return answered
	}
	assert.True(t, answers(t.Context(), bundle))
	assert.False(t, answers(stopped, bundle))
	assert.True(t, answers(stopped, progress), "the worker itself handles it, and must go on")
}
