package launch

import (
	"context"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// scripted is a runner's stream: its requests, then an end.
type scripted struct {
	grpc.ClientStream
	requests chan *fnpb.InstructionRequest
	sent     []string
}

func (s *scripted) RecvMsg(m any) error {
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
		worker, b := endable(t.Context())
		defer b.cancel()
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
		assert.Equal(t, []string{"2"}, s.sent, "nobody waits for others")
		require.NoError(t, c.SendMsg(&fnpb.InstructionResponse{InstructionId: "3"}), "nobody waits for it")
		synctest.Wait()
		assert.ErrorIs(t, seen, io.EOF)
	})
}

// TestBundleThatHangs is not waited for, for ever.
func TestBundleThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{requests: make(chan *fnpb.InstructionRequest, 1)}
		worker, b := endable(t.Context())
		defer b.cancel()
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

// TestOtherStreamsAreLeftAlone asks for those of other services, and of workers that nobody here ends.
func TestOtherStreamsAreLeftAlone(t *testing.T) {
	s := &scripted{}
	worker, b := endable(t.Context())
	defer b.cancel()
	assert.Same(t, s, s.stream(worker, t, methodOf(&fnpb.BeamFnLogging_ServiceDesc)))
	for _, method := range []string{controlMethod, dataMethod, stateMethod} {
		assert.Same(t, s, s.stream(t.Context(), t, method))
	}
}

// TestWritersDoNotAsk writes to streams that have ended: Beam's writers read those that say so by an EOF. What came of a
// bundle and could not be sent is not said to have been.
func TestWritersDoNotAsk(t *testing.T) {
	worker, b := endable(t.Context())
	defer b.cancel()
	control := &scripted{requests: make(chan *fnpb.InstructionRequest)}
	answers := control.stream(worker, t, controlMethod)
	err := (&scripted{}).stream(worker, t, stateMethod).SendMsg(&fnpb.InstructionResponse{})
	require.ErrorIs(t, err, errEnded)
	require.NotErrorIs(t, err, io.EOF)
	require.NoError(t, answers.SendMsg(&fnpb.InstructionResponse{InstructionId: "1"}))
	require.NoError(t, (&scripted{}).stream(worker, t, dataMethod).SendMsg(&fnpb.InstructionResponse{}))
	require.ErrorIs(t, worker.Err(), context.Canceled)
	require.NoError(t, answers.SendMsg(&fnpb.InstructionResponse{InstructionId: "2"}))
	assert.Equal(t, []string{"1"}, control.sent)
}

// TestTheFirstFailureIsKept has bundles fail, the last of them for having been told to end.
func TestTheFirstFailureIsKept(t *testing.T) {
	s := &scripted{requests: make(chan *fnpb.InstructionRequest, 9)}
	worker, b := endable(t.Context())
	defer b.cancel()
	c := s.stream(worker, t, controlMethod)
	for _, id := range []string{"1", "2", "3"} {
		s.requests <- bundleOf(id)
		require.NoError(t, c.RecvMsg(&fnpb.InstructionRequest{}))
	}
	require.NoError(t, c.SendMsg(&fnpb.InstructionResponse{InstructionId: "progress of 1", Error: "no such bundle"}))
	require.NoError(t, c.SendMsg(&fnpb.InstructionResponse{InstructionId: "1"}))
	assert.Empty(t, b.failure())
	require.NoError(t, c.SendMsg(&fnpb.InstructionResponse{InstructionId: "2", Error: "the disk is full"}))
	b.cancel()
	require.NoError(t, c.SendMsg(&fnpb.InstructionResponse{InstructionId: "3", Error: "it was cut off"}))
	assert.Equal(t, "the disk is full", b.failure())
}

// TestTheEndOfDataEndsBundles has the stream end that brings a bundle its data. Beam hears of it once the bundle has been
// answered, which then knows.
func TestTheEndOfDataEndsBundles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests, data := &scripted{requests: make(chan *fnpb.InstructionRequest, 1)}, &scripted{requests: make(chan *fnpb.InstructionRequest)}
		worker, b := endable(t.Context())
		defer b.cancel()
		control, stream := requests.stream(worker, t, controlMethod), data.stream(worker, t, dataMethod)
		requests.requests <- bundleOf("1")
		require.NoError(t, control.RecvMsg(&fnpb.InstructionRequest{}))
		var seen error
		go func() { seen = stream.RecvMsg(&fnpb.InstructionRequest{}) }()
		synctest.Wait()
		require.NoError(t, worker.Err(), "it goes on")
		close(data.requests)
		synctest.Wait()
		require.ErrorIs(t, worker.Err(), context.Canceled)
		require.NoError(t, seen, "the bundle is under way")
		require.NoError(t, control.SendMsg(&fnpb.InstructionResponse{InstructionId: "1"}))
		synctest.Wait()
		assert.ErrorIs(t, seen, io.EOF)
	})
}

func init() {
	register.DoFn3x0[context.Context, []byte, func(int64)](&witnessFn{})
}

// witnessed are the contexts, if they have ended, that bundles of witnessFn are finished with.
var witnessed = make(chan error, 9)

// witnessFn tells how a bundle is finished.
type witnessFn struct{}

func (*witnessFn) ProcessElement(context.Context, []byte, func(int64)) {}

func (*witnessFn) FinishBundle(ctx context.Context, _ func(int64)) error {
	witnessed <- ctx.Err()
	return ctx.Err()
}

// shortData is a stream of a worker's data that ends where a bundle's last are to come.
type shortData struct{ grpc.ClientStream }

func (s shortData) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	if slices.ContainsFunc(m.(*fnpb.Elements).GetData(), (*fnpb.Elements_Data).GetIsLast) {
		return io.EOF
	}
	return nil
}

// TestABundleThatIsCutOffKnows runs one whose data end before all have come. Beam finishes it.
func TestABundleThatIsCutOffKnows(t *testing.T) {
	defer func() { grpcx.Dial = dial }()
	short := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := open(ctx, desc, cc, method, opts...)
		if err != nil || method != dataMethod {
			return stream, err
		}
		return shortData{stream}, nil
	}
	grpcx.Dial = func(_ context.Context, endpoint string, _ time.Duration) (*grpc.ClientConn, error) {
		return grpc.NewClient("passthrough:///"+endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithChainStreamInterceptor(mended, short))
	}
	p, s := beam.NewPipelineWithRoot()
	Outlet(s, Prism{}, beam.ParDo(s, &witnessFn{}, beam.Impulse(s)))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- Prism{}.Run(ctx, "short", p) }()
	require.ErrorIs(t, <-witnessed, context.Canceled)
	cancel()
	require.Error(t, <-ended)
}

// TestDialGivesUp dials where nobody speaks as a runner does.
func TestDialGivesUp(t *testing.T) {
	_, err := dial(t.Context(), silent(t), 50*time.Millisecond)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
