package kafkaio

import (
	"fmt"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/state"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/timers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
	"clickstream/transforms/read"
	"clickstream/transforms/teardown"
)

// runner is what a runner keeps of one reader, and hears from it.
type runner struct {
	state.Provider
	kept    []byte
	timers  []timers.TimerMap
	batches []click.Batch
	rejects []click.Reject
}

func (r *runner) ReadValueState(string) (any, []state.Transaction, error) {
	if r.kept == nil {
		return nil, nil, nil
	}
	return r.kept, nil, nil
}

func (r *runner) WriteValueState(v state.Transaction) error {
	r.kept = v.Val.([]byte)
	return nil
}

// Set is timers.Provider's.
func (r *runner) Set(t timers.TimerMap) { r.timers = append(r.timers, t) }

func (r *runner) emit(b click.Batch) {
	b.Own()
	r.batches = append(r.batches, b)
}

func (r *runner) reject(x click.Reject) { r.rejects = append(r.rejects, x) }

// sorting returns a step that sorts clicks of JSON from a, as it is on a worker that has just got it.
func sorting(t *testing.T, a kafka.Assignment, reader kafka.ReaderSettings) *SortFn {
	t.Helper()
	cfg := Config{Reader: reader, Decode: read.DecodeSettings{Format: "json", Window: time.Minute, AllowedLateness: time.Minute, ClockSkew: time.Hour}}
	f := newSortFn(cfg, []kafka.Assignment{a})
	require.NoError(t, f.Setup())
	return f
}

func assignment(t *testing.T, partitions ...int32) kafka.Assignment {
	t.Helper()
	n := len(partitions)
	return kafka.Assignment{
		Pipeline: t.Name(), Topic: "clicks", Partitions: partitions, Total: n,
		Start: make([]int64, n), End: make([]int64, n), Consumed: make([]int64, n), Rejected: make([]kafka.Offsets, n),
	}
}

// clicks returns a chunk with a click at each time.
func clicks(partition int32, first int64, at ...time.Time) []byte {
	b := newChunk(partition)
	for i, at := range at {
		value := fmt.Appendf(nil, `{"event_id":"e","user_id":"u","page_url":"/%d","timestamp":%d}`, first+int64(i), at.UnixMilli())
		b = appendRecord(b, &Record{Offset: first + int64(i), Timestamp: at.UnixMilli(), Value: &value})
	}
	return b
}

var settings = kafka.ReaderSettings{WatermarkDelay: 10 * time.Second, IdleTimeout: time.Minute}

func TestSeedHoldsTheWatermarkOnce(t *testing.T) {
	r, f := &runner{}, sorting(t, assignment(t, 0), settings)
	begin := time.Now()
	for range 2 {
		require.NoError(t, f.ProcessElement(t.Context(), r, r, 0, []byte{}, r.emit, r.reject))
	}
	require.Len(t, r.timers, 1)
	assert.Equal(t, "hold", r.timers[0].Family)
	assert.Zero(t, r.timers[0].HoldTimestamp, "before any click, and not so long before that Flink's runner overflows")
	assert.GreaterOrEqual(t, r.timers[0].FireTimestamp.Milliseconds(), begin.Add(tick).UnixMilli())

	// A reader whose records come before its seed holds as well.
	r = &runner{}
	require.NoError(t, f.ProcessElement(t.Context(), r, r, 0, clicks(0, 0, noon), r.emit, r.reject))
	require.NoError(t, f.ProcessElement(t.Context(), r, r, 0, []byte{}, r.emit, r.reject))
	assert.Len(t, r.timers, 1)
	assert.Len(t, r.batches, 1)
}

func TestSortDecodesAndRejects(t *testing.T) {
	a := assignment(t, 3)
	a.Start[0], a.Consumed[0], a.Rejected[0] = 5, 6, kafka.Offsets{7}
	r, f := &runner{}, sorting(t, a, settings)
	chunk := clicks(3, 4, noon, noon, noon, noon) // the first lies before the start, and the last was rejected before
	chunk = appendRecord(chunk, &Record{Offset: 9, Timestamp: noon.UnixMilli(), Key: of("k"), Value: of("nonsense"), Headers: &[]Header{{Key: "h", Value: of("1")}}})
	chunk = appendRecord(chunk, &Record{Offset: 10, Timestamp: noon.UnixMilli()})
	require.NoError(t, f.ProcessElement(t.Context(), r, r, 0, chunk, r.emit, r.reject))

	require.Len(t, r.batches, 1)
	assert.Equal(t, []string{"/5", "/6"}, r.batches[0].Pages)
	assert.EqualValues(t, 3, r.batches[0].Partition)
	assert.EqualValues(t, 5, r.batches[0].First)
	assert.EqualValues(t, 11, r.batches[0].Next)
	require.Len(t, r.rejects, 2)
	assert.Equal(t, click.JSON, r.rejects[0].Fault.Reason)
	r.rejects[0].Fault = click.Fault{}
	assert.Equal(t, click.Reject{
		Topic: "clicks", Partition: 3, Offset: 9, Timestamp: noon.UnixMilli(), Key: []byte("k"), Value: []byte("nonsense"),
		Headers: []click.Header{{Key: "h", Value: []byte("1")}}, Stage: "decode",
	}, r.rejects[0])
	assert.Nil(t, r.rejects[1].Value, "a tombstone stays one")

	err := f.ProcessElement(t.Context(), r, r, 0, clicks(3, 10, noon), r.emit, r.reject)
	assert.EqualError(t, err, "topic clicks partition 3: offset 10 came after 10, and records have to come once, in their order")
}

func TestSortRefusesWhatIsNotItsOwn(t *testing.T) {
	r, f := &runner{}, sorting(t, assignment(t, 0), settings)
	require.ErrorContains(t, f.ProcessElement(t.Context(), r, r, 1, []byte{}, r.emit, r.reject), "there is no reader 1, but 1")
	require.ErrorIs(t, f.ProcessElement(t.Context(), r, r, 0, []byte("?"), r.emit, r.reject), errChunk)
	r.kept = []byte{9}
	require.ErrorContains(t, f.ProcessElement(t.Context(), r, r, 0, clicks(0, 0, noon), r.emit, r.reject), "start the job anew without its checkpoint or savepoint")
}

// TestTimerMovesTheWatermark goes from chunk to chunk on workers that know nothing but what the runner kept.
func TestTimerMovesTheWatermark(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	topic := c.Topic(t, 2)
	e, err := kafka.Resolve(t.Context(), kadm.NewClient(c.Client(t)), topic, kafka.Instant{Word: "earliest"}, kafka.Instant{Word: "never"})
	require.NoError(t, err)
	a := e.Divide(t.Name(), 1)[0]
	reader := kafka.ReaderSettings{
		Connection: kafka.Connection{Brokers: c.Brokers}, Group: c.Name(t), WatermarkDelay: 10 * time.Second, IdleTimeout: time.Millisecond,
	}
	t.Cleanup(func() { require.NoError(t, teardown.End(a.Pipeline)) })
	produce := func(partition int32) {
		c.Produce(t, topic, &kgo.Record{Partition: partition, Value: []byte("a click")})
	}
	r := &runner{}
	// held returns the watermark that the timer holds once it has gone off.
	held := func() int64 {
		f := sorting(t, a, reader)
		require.NoError(t, f.OnTimer(t.Context(), r, r, 0, timers.Context{}, r.emit, r.reject))
		return r.timers[len(r.timers)-1].HoldTimestamp.Milliseconds()
	}
	sort := func(chunk []byte) {
		require.NoError(t, sorting(t, a, reader).ProcessElement(t.Context(), r, r, 0, chunk, r.emit, r.reject))
	}
	produce(0)
	produce(1)
	sort(clicks(0, 0, noon))
	assert.Zero(t, held(), "partition 1 holds records that have not come yet, and their times are not known")
	sort(clicks(1, 0, noon.Add(-time.Minute)))
	produce(0)
	produce(1)
	assert.Equal(t, noon.Add(-70*time.Second).UnixMilli(), held(), "both hold more: the slower one counts")

	sort(clicks(1, 1, noon.Add(-3*time.Minute-time.Second), noon.Add(-3*time.Minute)))
	require.Len(t, r.rejects, 1)
	assert.Equal(t, click.TooLate, r.rejects[0].Fault.Reason, "by the watermark that was held")
	assert.EqualValues(t, 1, r.rejects[0].Offset)

	sort(clicks(0, 1, noon.Add(time.Minute)))
	produce(1) // which came to offset 3
	require.Eventually(t, func() bool { return held() > noon.Add(time.Hour).UnixMilli() }, 10*time.Second, 10*time.Millisecond,
		"all came, and all is silent: the clock counts")
	assert.InDelta(t, time.Now().Add(-reader.WatermarkDelay).UnixMilli(), held(), 5000)
	require.Eventually(t, func() bool {
		offsets, err := kadm.NewClient(c.Client(t)).FetchOffsets(t.Context(), reader.Group)
		at, ok := offsets.Lookup(topic, 1)
		return err == nil && ok && at.At == 3
	}, 10*time.Second, 10*time.Millisecond, "lag tools are told")
}
