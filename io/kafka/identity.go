package kafka

import (
	"context"
	"encoding/base64"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Identity tells a topic from any other one, be it of the same name.
type Identity struct {
	Cluster string // id of the cluster; empty where the brokers do not tell
	Topic   string // id of the topic, as Kafka's tools write it; empty where brokers give none (before Kafka 2.8)
}

// Identify asks for the identity of a topic to which something is to be done, in one request: who may do that may ask. Its
// errors are those of Explain.
func (c Connection) Identify(ctx context.Context, adm *kadm.Client, do Doing) (Identity, error) {
	// Asked without the permissions it would come from a cache that is as old as five seconds.
	m, err := adm.Metadata(kadm.WithAuthorizedOps(ctx), do.Topic)
	if err == nil {
		err = m.Topics[do.Topic].Err
	}
	return Identity{m.Cluster, TopicID(m.Topics[do.Topic].ID)}, c.Explain(err, do)
}

// TopicID returns the id of a topic as Kafka's tools write it, or nothing for the id of no topic.
func TopicID(id [16]byte) string {
	if id == ([16]byte{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// SameID tells whether two ids may be of the same topic: an id that is not known may be any.
func SameID(a, b string) bool { return a == b || a == "" || b == "" }
