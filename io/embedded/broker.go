// Package embedded runs a Kafka broker and a schema registry inside the process, for the demo and for
// tests. They speak the real protocols on 127.0.0.1, keep everything in memory and end with Close.
package embedded

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"
)

// MaxMessageBytes is the size of the largest batch of records that a broker takes unless told otherwise.
const MaxMessageBytes = 16 << 20

// Broker is a Kafka cluster in this process. The cluster in it makes faults, moves partitions and answers
// for requests, see kfake.
type Broker struct {
	*kfake.Cluster
	addrs []string
}

// StartBroker starts a cluster of one broker on a free port of 127.0.0.1. Topics are made only on request,
// and batches may have MaxMessageBytes. Options are kfake's, and come after these defaults: more brokers
// (NumBrokers), ports (Ports), users (EnableSASL, User, Superuser), TLS, EnableACLs, AllowAutoTopicCreation.
func StartBroker(opts ...kfake.Opt) (*Broker, error) {
	defaults := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": fmt.Sprint(MaxMessageBytes)}),
	}
	c, err := kfake.NewCluster(append(defaults, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("start the embedded broker: %w", err)
	}
	return &Broker{Cluster: c, addrs: c.ListenAddrs()}, nil
}

// Addr returns the first broker's host:port.
func (b *Broker) Addr() string { return b.addrs[0] }

// Addrs returns the host:port of every broker.
func (b *Broker) Addrs() []string { return b.addrs }
