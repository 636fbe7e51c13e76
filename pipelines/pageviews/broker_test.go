package pageviews_test

import (
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"clickstream/io/embedded"
	"clickstream/testing/kafkatest"
)

// broker is an embedded broker that can be stopped and started again, with its records and at its address.
type broker struct {
	*testing.T
	addr    string
	dir     string
	running *embedded.Broker
}

func restartable(t *testing.T) *broker {
	t.Helper()
	b := &broker{T: t, addr: freeAddress(t), dir: t.TempDir()}
	b.start()
	t.Cleanup(b.stop)
	return b
}

// freeAddress returns an address that something may listen at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func (b *broker) start() {
	b.Helper()
	_, port, err := net.SplitHostPort(b.addr)
	require.NoError(b, err)
	n, err := strconv.Atoi(port)
	require.NoError(b, err)
	b.running, err = embedded.StartBroker(kfake.Ports(n), kfake.DataDir(b.dir))
	require.NoError(b, err)
}

func (b *broker) stop() {
	if b.running != nil {
		b.running.Close()
		b.running = nil
	}
}

// cluster returns the broker as one, with a registry.
func (b *broker) cluster(t *testing.T) *kafkatest.Cluster {
	t.Helper()
	c := kafkatest.StartEmbedded(t)
	c.Brokers, c.Fakes.Broker = []string{b.addr}, nil
	return c
}

// gate is a broker's listener that can be shut: then nobody gets through, and who was through is cut off.
type gate struct {
	net.Listener
	mu   sync.Mutex
	shut bool
	open []net.Conn
}

func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g.mu.Lock()
		shut := g.shut
		g.open = append(g.open, conn)
		g.mu.Unlock()
		if !shut {
			return conn, nil
		}
		_ = conn.Close() // that is all it is to do
	}
}

// set shuts the gate, or opens it.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	for _, conn := range g.open {
		_ = conn.Close() // it may be closed already
	}
	g.open = nil
}

// gated starts three brokers, each behind a gate.
func gated(t *testing.T) (*kafkatest.Cluster, []*gate) {
	t.Helper()
	var gates []*gate
	b, err := embedded.StartBroker(kfake.NumBrokers(3), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		if err != nil {
			return nil, err
		}
		gates = append(gates, &gate{Listener: l})
		return gates[len(gates)-1], nil
	}))
	require.NoError(t, err)
	t.Cleanup(b.Close)
	c := kafkatest.StartEmbedded(t)
	c.Brokers, c.Fakes.Broker = b.Addrs(), b
	return c, gates
}
