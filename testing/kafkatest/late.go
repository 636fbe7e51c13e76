package kafkatest

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"clickstream/io/embedded"
)

// LearnsLate has a broker not know a topic until it was asked for it so many times, counted from now. It returns how often
// it was asked.
func LearnsLate(b *embedded.Broker, topic string, times int32) *atomic.Int32 {
	var asked atomic.Int32
	b.ControlKey(kmsg.Metadata.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		of := req.(*kmsg.MetadataRequest)
		if len(of.Topics) != 1 || of.Topics[0].Topic == nil || *of.Topics[0].Topic != topic || asked.Add(1) > times {
			return nil, nil, false
		}
		resp := of.ResponseKind().(*kmsg.MetadataResponse)
		unknown := kmsg.NewMetadataResponseTopic()
		unknown.Topic, unknown.ErrorCode = &topic, kerr.UnknownTopicOrPartition.Code
		resp.Topics = append(resp.Topics, unknown)
		return resp, nil, true
	})
	return &asked
}
