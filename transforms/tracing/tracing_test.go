package tracing_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"

	"clickstream/testing/otlptest"
	"clickstream/transforms/click"
	"clickstream/transforms/teardown"
	"clickstream/transforms/tracing"
)

func TestSpansAreSentAtTheEnd(t *testing.T) {
	collector := otlptest.Start(t)
	before := goleak.IgnoreCurrent()
	c := tracing.Config{Endpoint: collector.URL, Pipeline: t.Name()}
	for _, err := range []error{nil, errors.New("the disk is full")} {
		span := c.Begin(t.Context(), "step")
		require.True(t, span.Sent())
		span.Set(tracing.Offsets("clicks", map[int32]click.OffsetRange{11: {First: 5, Next: 7}, 2: {Next: 1}})...)
		span.End(err)
	}
	require.NoError(t, teardown.End(t.Name()))
	spans := collector.Named("step")
	require.Len(t, spans, 2)
	assert.Equal(t, []string{"2:0-1", "11:5-7"}, otlptest.Attribute(spans[0], "clickstream.offsets"))
	assert.Equal(t, []string{"clicks"}, otlptest.Attribute(spans[0], "messaging.destination.name"))
	assert.Equal(t, spans[0].GetTraceId(), spans[1].GetTraceId(), "of one pipeline")
	assert.NotEqual(t, spans[0].GetSpanId(), spans[1].GetSpanId())
	assert.Equal(t, tracepb.Status_STATUS_CODE_UNSET, spans[0].GetStatus().GetCode())
	assert.Equal(t, tracepb.Status_STATUS_CODE_ERROR, spans[1].GetStatus().GetCode())
	assert.Equal(t, "the disk is full", spans[1].GetStatus().GetMessage())
	collector.Close()
	goleak.VerifyNone(t, before)
}

func TestNobodyIsToldWithoutAnEndpoint(t *testing.T) {
	span := tracing.Config{Pipeline: t.Name()}.Begin(t.Context(), "step")
	assert.False(t, span.Sent())
	span.End(nil)
	require.NoError(t, teardown.End(t.Name()))
}

// locked is a log that several goroutines write to.
type locked struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// TestCollectorIsAway costs spans, which the log says are lost, and nothing else.
func TestCollectorIsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	var log locked
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	c := tracing.Config{Endpoint: "http://" + l.Addr().String(), Pipeline: t.Name()}
	c.Begin(t.Context(), "step").End(nil)
	require.NoError(t, teardown.End(t.Name()))
	log.mu.Lock()
	defer log.mu.Unlock()
	assert.Contains(t, log.text.String(), "spans were lost")
	assert.Contains(t, log.text.String(), l.Addr().String())
}

// TestBundleThatOutlivesItsPipeline begins a span when all has ended: nothing waits for anything.
func TestBundleThatOutlivesItsPipeline(t *testing.T) {
	collector := otlptest.Start(t)
	require.NoError(t, teardown.End(t.Name()))
	tracing.Config{Endpoint: collector.URL, Pipeline: t.Name()}.Begin(t.Context(), "late").End(nil)
	assert.Empty(t, collector.Named("late"))
}

// TestWorkerEnds while its pipeline goes on: what has ended is sent at once, and what has not when it has.
func TestWorkerEnds(t *testing.T) {
	collector := otlptest.Start(t)
	before := goleak.IgnoreCurrent()
	c := tracing.Config{Endpoint: collector.URL, Pipeline: t.Name()}
	going := c.Begin(t.Context(), "of another worker")
	for n := 1; n < 3; n++ {
		c.Begin(t.Context(), "step").End(nil)
		tracing.Flush()
		assert.Len(t, collector.Named("step"), n)
	}
	going.End(nil)
	require.NoError(t, teardown.End(t.Name()))
	assert.Len(t, collector.Named("of another worker"), 1)
	collector.Close()
	goleak.VerifyNone(t, before)
}
