package launch

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

// scripted is a runner's stream: its requests, then an end.
type scripted struct {
	grpc.ClientStream
	requests chan *fnpb.InstructionRequest
	sent     []string
	reading  atomic.Int32 // those who read now
	crowded  atomic.Bool  // there were several
}

func (s *scripted) RecvMsg(m any) error {
	if s.reading.Add(1) > 1 {
		s.crowded.Store(true)
	}
	defer s.reading.Add(-1)
	req, ok := <-s.requests
	if !ok {
		return io.EOF
	}
	*m.(*fnpb.InstructionRequest) = fnpb.InstructionRequest{InstructionId: req.GetInstructionId(), Request: req.GetRequest()}
	return nil
}

func (s *scripted) SendMsg(m any) error {
	if s.requests == nil {
		return io.EOF
	}
	s.sent = append(s.sent, m.(*fnpb.InstructionResponse).GetInstructionId())
	return nil
}

// stream returns what a worker sees of s.
func (s *scripted) stream(worker context.Context, t *testing.T, method string) grpc.ClientStream {
	t.Helper()
	got, err := mended(worker, nil, nil, method, func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
		return s, nil
	})
	require.NoError(t, err)
	return got
}

func bundleOf(id string) *fnpb.InstructionRequest {
	return &fnpb.InstructionRequest{InstructionId: id, Request: &fnpb.InstructionRequest_ProcessBundle{ProcessBundle: &fnpb.ProcessBundleRequest{}}}
}

// TestEndWaitsForBundles has a runner let a worker go of which two bundles are under way, one of which has an answer that
// could not be sent any more.
func TestEndWaitsForBundles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{requests: make(chan *fnpb.InstructionRequest, 9)}
		worker, end := endable(t.Context())
		defer end()
		c := s.stream(worker, t, controlMethod)
		s.requests <- bundleOf("1")
		s.requests <- &fnpb.InstructionRequest{InstructionId: "2", Request: &fnpb.InstructionRequest_ProcessBundleProgress{}}
		s.requests <- bundleOf("3")
		close(s.requests)
		var req fnpb.InstructionRequest
		for range 3 {
			require.NoError(t, c.RecvMsg(&req))
		}
		require.NoError(t, c.SendMsg(&fnpb.InstructionResponse{InstructionId: "2"}))
		require.NoError(t, worker.Err())
		var seen error
		go func() { seen = c.RecvMsg(&req) }()
		synctest.Wait()
		require.ErrorIs(t, worker.Err(), context.Canceled, "the bundles are told")
		require.NoError(t, seen, "they are under way")
		require.NoError(t, c.SendMsg(&fnpb.InstructionResponse{InstructionId: "1"}))
		synctest.Wait()
		require.NoError(t, seen, "one is under way")
		assert.Equal(t, []string{"2", "1"}, s.sent)
		s.requests = nil
		require.NoError(t, c.SendMsg(&fnpb.InstructionResponse{InstructionId: "3"}), "nobody waits for it")
		synctest.Wait()
		assert.ErrorIs(t, seen, io.EOF)
	})
}

// TestBundleThatHangs is not waited for, for ever.
func TestBundleThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{requests: make(chan *fnpb.InstructionRequest, 1)}
		worker, end := endable(t.Context())
		defer end()
		c := s.stream(worker, t, controlMethod)
		s.requests <- bundleOf("1")
		close(s.requests)
		var req fnpb.InstructionRequest
		require.NoError(t, c.RecvMsg(&req))
		began := time.Now()
		require.ErrorIs(t, c.RecvMsg(&req), io.EOF)
		assert.Equal(t, lastBundles, time.Since(began))
	})
}

// TestAnEndIsReadByOneAtATime reads a stream's end as Beam does: by its reader, and by a writer that finds it ended.
func TestAnEndIsReadByOneAtATime(t *testing.T) {
	worker, end := endable(t.Context())
	defer end()
	for name, in := range map[string]struct {
		worker context.Context
		method string
	}{
		"data":               {worker, "/org.apache.beam.model.fn_execution.v1.BeamFnData/Data"},
		"control, no worker": {t.Context(), controlMethod},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{requests: make(chan *fnpb.InstructionRequest)}
			c := s.stream(in.worker, t, in.method)
			var read [2]error
			var readers sync.WaitGroup
			for i := range read {
				readers.Go(func() { read[i] = c.RecvMsg(&fnpb.InstructionRequest{}) })
			}
			require.Eventually(t, func() bool { return s.reading.Load() > 0 }, time.Minute, time.Millisecond)
			close(s.requests)
			readers.Wait()
			assert.Equal(t, [2]error{io.EOF, io.EOF}, read)
			assert.False(t, s.crowded.Load(), "two read at a time")
			assert.NoError(t, in.worker.Err(), "it is the control stream that ends a worker")
		})
	}
}

// TestDialGivesUp dials where nobody speaks as a runner does.
func TestDialGivesUp(t *testing.T) {
	_, err := dial(t.Context(), silent(t), 50*time.Millisecond)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
