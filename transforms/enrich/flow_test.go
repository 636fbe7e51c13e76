package enrich

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/transforms/click"
	"clickstream/transforms/teardown"
)

func TestFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := flowOf(t.Name())
		assert.Same(t, f, flowOf(t.Name()))
		assert.NotSame(t, f, flowOf(t.Name()+" of another"))
		f.add(maxFlow)
		require.NoError(t, f.wait(t.Context()), "there is room up to the limit")
		f.add(1)
		waited := make(chan error, 1)
		go func() { waited <- f.wait(t.Context()) }()
		synctest.Wait()
		assert.Empty(t, waited)
		flowOf(t.Name()).add(-1)
		require.NoError(t, <-waited)
	})
}

func TestFlowEndsWithItsContext(t *testing.T) {
	f := &flow{}
	f.add(maxFlow + 1)
	why := errors.New("the job was cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	require.ErrorIs(t, f.wait(ctx), why)
}

// TestFlowIsForgotten has nothing stay of a pipeline that has ended.
func TestFlowIsForgotten(t *testing.T) {
	flowOf(t.Name()).add(5)
	require.NoError(t, teardown.End(t.Name()))
	_, ok := flows.Load(t.Name())
	assert.False(t, ok)
	flowOf(t.Name()).add(1) // a bundle that begins after that
	_, ok = flows.Load(t.Name())
	assert.False(t, ok)
}

// TestReadingIsHeldBack has a reader wait at the begin of a bundle, while too much is on its way.
func TestReadingIsHeldBack(t *testing.T) {
	cfg := Config{Pipeline: t.Name(), Local: true, Buckets: 1}
	flowOf(t.Name()).add(maxFlow + 1)
	why := errors.New("it waited")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	f := &SpreadFn{Config: cfg}
	require.ErrorIs(t, f.ProcessElement(ctx, click.Batch{}, nil), why)
	cfg.Local = false
	f = &SpreadFn{Config: cfg}
	require.NoError(t, f.ProcessElement(ctx, click.Batch{}, nil), "other runners hold back by themselves")
}
