package pageviews_test

import (
	"net"
	"strconv"
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
	b := &broker{T: t, addr: nobodyListens(t), dir: t.TempDir()}
	b.start()
	t.Cleanup(b.stop)
	return b
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
