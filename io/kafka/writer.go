package kafka

import (
	"context"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Writer produces records to one topic, many in flight at once. It is used by one goroutine at a time.
type Writer struct {
	connection Connection
	topic      string
	client     *kgo.Client
	health     *health
	watch      *time.Ticker
	stop       context.CancelFunc

	mu     sync.Mutex
	failed error
}

// recordRetries is how often a broker that answers may refuse a record for a passing reason, such as too few
// replicas: for about the retry timeout, at the client's pauses of two to five seconds. A limit by time would be
// counted from the record's own timestamp, which may be long ago.
func (c Connection) recordRetries() int {
	return max(4, int(c.retryTimeout()/(4*time.Second)))
}

// OpenWriter returns a writer to topic that never sends the broker more than maxBytes at once: the topic's
// max.message.bytes, or 0 for what old brokers take by default. It does not connect.
func OpenWriter(c Connection, topic string, maxBytes int32, extra ...kgo.Opt) (*Writer, error) {
	return openWriter(c, topic, Limits{topic: maxBytes}, extra...)
}

// Limits are the largest batches of records that topics take, in bytes: their max.message.bytes. A topic that is not
// named, or has 0, takes what old brokers take by default.
type Limits map[string]int32

const batchBytes = 1_000_012 // what old brokers take by default

// of returns the limit of a topic.
func (l Limits) of(topic string) int32 {
	if n := l[topic]; n > 0 {
		return n
	}
	return batchBytes
}

// largest returns the largest limit.
func (l Limits) largest() int32 {
	most := int32(batchBytes)
	for topic := range l {
		most = max(most, l.of(topic))
	}
	return most
}

// Compression is how records are compressed. The default level takes 3% less room, and a quarter more time of who writes
// all that it reads.
func Compression() kgo.CompressionCodec {
	return kgo.ZstdCompression().WithLevel(int(zstd.SpeedFastest))
}

func openWriter(c Connection, topic string, limits Limits, extra ...kgo.Opt) (*Writer, error) {
	ctx, stop := context.WithCancel(context.Background())
	w := &Writer{connection: c, topic: topic, health: &health{}, stop: stop}
	opts := []kgo.Opt{
		kgo.WithContext(ctx),
		kgo.WithHooks(w.health),
		kgo.DefaultProduceTopic(topic),
		kgo.RecordRetries(c.recordRetries()),
		kgo.ProducerBatchCompression(Compression(), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytesFn(limits.of),
		kgo.BrokerMaxWriteBytes(max(2*limits.largest(), 100<<20)),
	}
	client, err := c.Client(append(opts, extra...)...)
	if err != nil {
		stop()
		return nil, err
	}
	w.client, w.watch = client, time.NewTicker(time.Second)
	go w.watchBrokers(ctx)
	return w, nil
}

// watchBrokers ends all waiting once the brokers have been out of reach for the retry timeout.
func (w *Writer) watchBrokers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.watch.C:
		}
		if since, err := w.health.failing(w.connection.retryTimeout()); err != nil {
			w.fail(gaveUp(w.explain(err), since.Round(time.Second)))
			w.stop()
			return
		}
	}
}

func (w *Writer) explain(err error) error {
	return w.connection.Explain(err, Doing{Operation: "Write", Topic: w.topic})
}

func (w *Writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = err
	}
}

// Write sends r, and returns before it has arrived. Whether it did, Flush tells. It waits while many records are
// on their way.
func (w *Writer) Write(ctx context.Context, r *kgo.Record) {
	w.client.Produce(ctx, r, func(_ *kgo.Record, err error) {
		if err != nil {
			w.fail(w.explain(err))
		}
	})
}

// Failed returns why something that was written did not arrive, as far as is known by now.
func (w *Writer) Failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// Flush waits until all that was written has arrived, and returns why something did not. A writer that has
// failed stays failed.
func (w *Writer) Flush(ctx context.Context) error {
	err := w.client.Flush(ctx)
	if failed := w.Failed(); failed != nil {
		return failed
	}
	return w.explain(err)
}

// Close ends the connections. What was not flushed may be lost.
func (w *Writer) Close() {
	w.watch.Stop()
	w.stop()
	w.client.Close()
}
