package kafka

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Writer produces records to one topic, many in flight at once. It is used by one goroutine at a time.
type Writer struct {
	connection Connection
	topic      string
	client     *kgo.Client

	mu     sync.Mutex
	failed error
}

// OpenWriter returns a writer to topic that never sends the broker more than maxBytes at once: the topic's
// max.message.bytes, or 0 for Kafka's default of it. It does not connect.
func OpenWriter(c Connection, topic string, maxBytes int32) (*Writer, error) {
	opts := []kgo.Opt{
		kgo.DefaultProduceTopic(topic),
		kgo.RecordDeliveryTimeout(c.retryTimeout()),
		kgo.ProducerBatchCompression(kgo.ZstdCompression(), kgo.NoCompression()),
	}
	if maxBytes > 0 {
		opts = append(opts, kgo.ProducerBatchMaxBytes(maxBytes), kgo.BrokerMaxWriteBytes(max(maxBytes*2, 100<<20)))
	}
	client, err := c.Client(opts...)
	if err != nil {
		return nil, err
	}
	return &Writer{connection: c, topic: topic, client: client}, nil
}

// Write sends r, and returns before it has arrived. Whether it did, Flush tells.
func (w *Writer) Write(ctx context.Context, r *kgo.Record) {
	w.client.Produce(ctx, r, func(_ *kgo.Record, err error) {
		if err == nil {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.failed == nil {
			w.failed = err
		}
	})
}

// Failed returns why something that was written since the last Flush did not arrive, as far as is known by now.
func (w *Writer) Failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.connection.Explain(w.failed, Doing{Operation: "Write", Topic: w.topic})
}

// Flush waits until all that was written has arrived, and returns why something since the last Flush did not.
func (w *Writer) Flush(ctx context.Context) error {
	err := w.client.Flush(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		err, w.failed = w.failed, nil
	}
	return w.connection.Explain(err, Doing{Operation: "Write", Topic: w.topic})
}

// Close ends the connections. What was not flushed may be lost.
func (w *Writer) Close() { w.client.Close() }
