package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

func init() { grpcx.Dial = dial }

// dial connects as grpcx.DefaultDial does, and mends the streams that it carries: see mended.
func dial(ctx context.Context, endpoint string, timeout time.Duration) (*grpc.ClientConn, error) {
	ctx, done := context.WithTimeout(ctx, timeout)
	defer done()
	cc, err := grpc.NewClient("passthrough:///"+endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
		grpc.WithStreamInterceptor(mended))
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", endpoint, err)
	}
	for state := cc.GetState(); state != connectivity.Ready; state = cc.GetState() {
		cc.Connect()
		if !cc.WaitForStateChange(ctx, state) {
			_ = cc.Close() // it never was open
			return nil, fmt.Errorf("dial %s: %w", endpoint, ctx.Err())
		}
	}
	return cc, nil
}

var (
	controlMethod = methodOf(&fnpb.BeamFnControl_ServiceDesc)
	dataMethod    = methodOf(&fnpb.BeamFnData_ServiceDesc)
	stateMethod   = methodOf(&fnpb.BeamFnState_ServiceDesc)
)

// methodOf returns the method that opens a service's first stream.
func methodOf(s *grpc.ServiceDesc) string { return "/" + s.ServiceName + "/" + s.Streams[0].StreamName }

// mended makes the streams between a runner and a worker that can be ended a controlStream, a dataStream and a stateStream,
// and leaves others as they are.
func mended(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(ctx, desc, cc, method, opts...)
	b, ok := ctx.Value(bundlesKey{}).(*bundles)
	if err != nil || !ok {
		return stream, err
	}
	switch method {
	case controlMethod:
		return &controlStream{ClientStream: stream, bundles: b}, nil
	case dataMethod:
		return &dataStream{stream, b}, nil
	case stateMethod:
		return &stateStream{stream}, nil
	}
	return stream, nil
}

// bundles are those of a worker that are under way.
type bundles struct {
	context context.Context
	cancel  context.CancelFunc

	mu       sync.Mutex
	answered sync.Cond
	owed     map[string]bool // by their instructions
	why      string          // what the first of them that failed says; none of those that were told to end
}

// lastBundles is how long bundles are waited for that are told to end. They do so within a few milliseconds, unless they
// wait for a disk or a broker that hangs.
const lastBundles = 5 * time.Second

// end ends the bundles, and waits until they have been answered.
func (b *bundles) end() {
	b.cancel()
	b.mu.Lock()
	defer b.mu.Unlock()
	end := time.Now().Add(lastBundles)
	defer time.AfterFunc(lastBundles, b.answered.Broadcast).Stop()
	for len(b.owed) > 0 && time.Now().Before(end) {
		b.answered.Wait()
	}
}

func (b *bundles) begins(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owed[id] = true
}

func (b *bundles) answers(r *fnpb.InstructionResponse) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.owed[r.GetInstructionId()] && b.why == "" && b.context.Err() == nil {
		b.why = r.GetError()
	}
	delete(b.owed, r.GetInstructionId())
	b.answered.Broadcast()
}

// failure returns what the first bundle that failed says, or nothing.
func (b *bundles) failure() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.why
}

// controlStream is a worker's stream of requests, which it answers. Its end reaches the worker once all bundles have
// been answered.
//
// A worker that sees the end does not wait for its bundles, and closes the channel of its answers while the last ones
// may still send theirs: a race, and a panic where the close is first (2.77, harness.MainWithOptions). What they have
// opened would be left open, too.
type controlStream struct {
	grpc.ClientStream
	bundles *bundles
}

// RecvMsg returns the next request. At the end of the stream, it ends the bundles and waits for their answers.
func (c *controlStream) RecvMsg(m any) error {
	if err := c.ClientStream.RecvMsg(m); err != nil {
		c.bundles.end()
		return err
	}
	if req, ok := m.(*fnpb.InstructionRequest); ok && req.GetProcessBundle() != nil {
		c.bundles.begins(req.GetInstructionId())
	}
	return nil
}

// SendMsg sends an answer, or forgets it when bundles have been told to end: nobody waits for it, and what it speaks of may
// not have arrived.
func (c *controlStream) SendMsg(m any) error {
	var err error
	if c.bundles.context.Err() == nil {
		err = c.ClientStream.SendMsg(m)
	}
	if resp, ok := m.(*fnpb.InstructionResponse); ok {
		c.bundles.answers(resp)
	}
	if c.bundles.context.Err() != nil {
		return nil
	}
	return err
}

// dataStream is what brings a worker its data, and takes what comes of them. Its end reaches the worker once all bundles
// have been answered.
//
// A bundle whose data stop in the midst takes that for its end, is finished, and only then found to have failed (2.77,
// exec.DataSource, harness.handleInstruction). Whoever finishes it sees that its context has ended.
type dataStream struct {
	grpc.ClientStream
	bundles *bundles
}

// RecvMsg returns the next data. At the end of the stream, it ends the bundles and waits for their answers.
func (d *dataStream) RecvMsg(m any) error {
	err := d.ClientStream.RecvMsg(m)
	if err != nil {
		d.bundles.end()
	}
	return err
}

// SendMsg sends what came of a bundle. Where that fails, it tells the bundles to end, and not who sends: Beam's writers ask
// what has ended the stream beside its reader, which gRPC forbids, and may hold a lock that they then wait for (2.77,
// harness.dataWriter, DataChannelManager.closeInstruction).
func (d *dataStream) SendMsg(m any) error {
	if d.ClientStream.SendMsg(m) != nil {
		d.bundles.cancel()
	}
	return nil
}

// stateStream is what a worker asks for state by. Its writer would ask what has ended it beside its reader, too (2.77,
// harness.StateChannel).
type stateStream struct{ grpc.ClientStream }

var errEnded = errors.New("the stream has ended")

// SendMsg sends m. That the stream has ended is an error as others are.
func (s *stateStream) SendMsg(m any) error {
	err := s.ClientStream.SendMsg(m)
	if errors.Is(err, io.EOF) {
		return errEnded
	}
	return err
}

type bundlesKey struct{}

// endable returns the context of a worker whose bundles end when the runner lets the worker go, and those.
func endable(ctx context.Context) (context.Context, *bundles) {
	ctx, cancel := context.WithCancel(ctx)
	b := &bundles{context: ctx, cancel: cancel, owed: map[string]bool{}}
	b.answered.L = &b.mu
	return context.WithValue(ctx, bundlesKey{}, b), b
}
