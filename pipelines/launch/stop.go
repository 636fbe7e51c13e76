package launch

import (
	"context"
	"fmt"
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

// dial connects as grpcx.DefaultDial does, and mends the streams that it carries: see controlStream and oneReader.
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

var controlMethod = "/" + fnpb.BeamFnControl_ServiceDesc.ServiceName + "/" + fnpb.BeamFnControl_ServiceDesc.Streams[0].StreamName

// mended makes the stream by which a runner controls a worker that can be ended a controlStream, and has one reader at a
// time for the others.
func mended(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(ctx, desc, cc, method, opts...)
	if err != nil {
		return nil, err
	}
	end, ok := ctx.Value(endKey{}).(context.CancelFunc)
	if !ok || method != controlMethod {
		return &oneReader{ClientStream: stream}, nil
	}
	c := &controlStream{ClientStream: stream, end: end, owed: map[string]bool{}}
	c.answered.L = &c.mu
	return c, nil
}

// controlStream is a worker's stream of requests, which it answers. Its end reaches the worker once all bundles have
// been answered.
//
// A worker that sees the end does not wait for its bundles, and closes the channel of its answers while the last ones
// may still send theirs: a race, and a panic where the close is first (2.77, harness.MainWithOptions). What they have
// opened would be left open, too.
type controlStream struct {
	grpc.ClientStream
	end context.CancelFunc // ends the worker's bundles

	mu       sync.Mutex
	answered sync.Cond
	owed     map[string]bool // the bundles that are under way, by their instructions
	ended    bool
}

// lastBundles is how long bundles are waited for that are told to end. They do so within a few milliseconds, unless they
// wait for a disk or a broker that hangs.
const lastBundles = 5 * time.Second

// RecvMsg returns the next request. At the end of the stream, it ends the bundles and waits for their answers.
func (c *controlStream) RecvMsg(m any) error {
	err := c.ClientStream.RecvMsg(m)
	if err != nil {
		c.end()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		end := time.Now().Add(lastBundles)
		defer time.AfterFunc(lastBundles, c.answered.Broadcast).Stop()
		for c.ended = true; len(c.owed) > 0 && time.Now().Before(end); {
			c.answered.Wait()
		}
		return err
	}
	if req, ok := m.(*fnpb.InstructionRequest); ok && req.GetProcessBundle() != nil {
		c.owed[req.GetInstructionId()] = true
	}
	return nil
}

// SendMsg sends an answer, or forgets it when the stream has ended: nobody waits for it.
func (c *controlStream) SendMsg(m any) error {
	err := c.ClientStream.SendMsg(m)
	c.mu.Lock()
	defer c.mu.Unlock()
	if resp, ok := m.(*fnpb.InstructionResponse); ok {
		delete(c.owed, resp.GetInstructionId())
		c.answered.Broadcast()
	}
	if c.ended {
		return nil
	}
	return err
}

// oneReader is a stream that one reads at a time, as gRPC wants it. Who writes to a worker's data or state and finds the
// stream ended reads what ended it, beside the one who reads the stream: a race (2.77, harness.dataWriter, StateChannel).
type oneReader struct {
	grpc.ClientStream
	mu sync.Mutex
}

// RecvMsg reads the next message, or what ended the stream.
func (r *oneReader) RecvMsg(m any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ClientStream.RecvMsg(m)
}

type endKey struct{}

// endable returns the context of a worker whose bundles end when the runner lets the worker go.
func endable(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancel(ctx)
	return context.WithValue(ctx, endKey{}, end), end
}
