package launch

import (
	"context"
	"testing"
	"time"

	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBundlesOfAStoppedWorker(t *testing.T) {
	bundle := &fnpb.InstructionRequest{Request: &fnpb.InstructionRequest_ProcessBundle{ProcessBundle: &fnpb.ProcessBundleRequest{}}}
	progress := &fnpb.InstructionRequest{Request: &fnpb.InstructionRequest_ProcessBundleProgress{}}
	root, counted := count(t.Context())
	worker, stop := context.WithCancel(root)
	answers := func(req *fnpb.InstructionRequest) (answered bool) {
		ctx, err := beginBundle(worker, req)
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			answered = endBundle(ctx, req, nil) == nil
		}()
		<-done
		return answered
	}
	assert.True(t, answers(bundle))
	assert.True(t, answers(progress))
	assert.Zero(t, counted.Load())

	ctx, err := beginBundle(worker, bundle)
	require.NoError(t, err)
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		counted.wait()
	}()
	stop()
	select {
	case <-waited:
		assert.Fail(t, "a bundle is under way")
	case <-time.After(20 * time.Millisecond):
	}
	go func() { _ = endBundle(ctx, bundle, nil) }()
	<-waited
	assert.False(t, answers(bundle), "nobody waits for it, and its channel may be closed")
	assert.True(t, answers(progress), "the worker itself handles it, and must go on")
}

func TestRequestsOfOtherWorkersAreLeftAlone(t *testing.T) {
	bundle := &fnpb.InstructionRequest{Request: &fnpb.InstructionRequest_ProcessBundle{ProcessBundle: &fnpb.ProcessBundleRequest{}}}
	ctx, err := beginBundle(t.Context(), bundle)
	require.NoError(t, err)
	require.NoError(t, endBundle(ctx, bundle, nil))
}
