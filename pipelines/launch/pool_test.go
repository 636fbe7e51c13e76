package launch

import (
	"context"
	"net"
	"testing"
	"time"

	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	pipepb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/pipeline_v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// silent returns an address where connections are taken, and nothing is ever said.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l.Addr().String()
}

func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.workers)
}

// TestPoolOfSeveralTaskManagers has two of them ask for workers, which each numbers from one.
func TestPoolOfSeveralTaskManagers(t *testing.T) {
	p, err := startPool(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	conn, err := grpc.NewClient(p.address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	client := fnpb.NewBeamFnExternalWorkerPoolClient(conn)
	start := func(id, control string) string {
		endpoint := func(url string) *pipepb.ApiServiceDescriptor { return &pipepb.ApiServiceDescriptor{Url: url} }
		resp, err := client.StartWorker(t.Context(), &fnpb.StartWorkerRequest{WorkerId: id, ControlEndpoint: endpoint(control), LoggingEndpoint: endpoint(control)})
		require.NoError(t, err)
		return resp.GetError()
	}
	one, two := silent(t), silent(t)
	assert.Empty(t, start("1-1", one))
	assert.Empty(t, start("1-1", two), "another task manager's")
	assert.Empty(t, start("2-1", one))
	assert.Contains(t, start("1-1", one), "is there already")
	assert.Contains(t, start("3-1", ""), "no endpoint is named")
	assert.Equal(t, 3, p.size())

	stop := func(id string) {
		_, err := client.StopWorker(t.Context(), &fnpb.StopWorkerRequest{WorkerId: id})
		require.NoError(t, err)
	}
	gone := func(left int) {
		t.Helper()
		require.Eventually(t, func() bool { return p.size() == left }, time.Minute, time.Millisecond)
	}
	stop("1-1") // whose it is is not said
	stop("2-1")
	gone(2)
	p.stop()
	gone(0)
}

func TestPoolEndsWithItsContext(t *testing.T) {
	taken := silent(t)
	require.ErrorContains(t, Pool(t.Context(), taken), "choose another port with --listen")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, Pool(ctx, "127.0.0.1:0"))
}

func TestStartedByRunner(t *testing.T) {
	assert.True(t, StartedByRunner([]string{"--id=1-1", "--provision_endpoint=localhost:1"}))
	assert.False(t, StartedByRunner([]string{"run", "--id=1"}))
	assert.False(t, StartedByRunner(nil))
	require.ErrorContains(t, Work(t.Context(), []string{"--id=1-1"}), "only runners start this program with --id")
}
