// Package tracing sends spans of a pipeline's bundles and commits to a collector of OpenTelemetry's, from whichever process
// they are in. Spans of one pipeline are one trace; they say which offsets they are of, by which a commit is found that
// follows from a bundle.
package tracing

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"clickstream/io/version"
	"clickstream/transforms/click"
	"clickstream/transforms/teardown"
)

// Config says where spans go. It is serialized into the graph. The zero value sends none.
type Config struct {
	Endpoint string // URL of a collector that takes OTLP over HTTP, as http://localhost:4318; empty: none
	Pipeline string // whose spans these are, and whose end sends the last
}

// providers holds what sends a pipeline's spans, in this process.
var providers = struct {
	sync.Mutex
	of map[Config]*sdk.TracerProvider
}{of: map[Config]*sdk.TracerProvider{}}

// flushing is how long the last spans may take as a pipeline, or a worker, ends.
const flushing = 5 * time.Second

// open returns what c's spans are begun by. The first call for a pipeline starts what sends them in the background: a
// collector that is away costs spans, which are logged as lost, and nothing else.
func (c Config) open(ctx context.Context) (trace.TracerProvider, error) {
	providers.Lock()
	p, ok := providers.of[c]
	if !ok {
		exporter, err := otlptracehttp.New(context.WithoutCancel(ctx), otlptracehttp.WithEndpointURL(endpoint(c.Endpoint)))
		if err != nil {
			providers.Unlock()
			return nil, fmt.Errorf("send spans to %s: %w; correct --otlp-endpoint", c.Endpoint, err)
		}
		otel.SetErrorHandler(&complaints)
		p = sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithIDGenerator(&ids{trace: traceOf(c.Pipeline)}), sdk.WithResource(described()))
		providers.of[c] = p
	}
	providers.Unlock()
	if ok {
		return p, nil
	}
	return p, teardown.Later(c.Pipeline, c.end) // which may end it at once
}

// end sends the last spans of a pipeline.
func (c Config) end() error {
	providers.Lock()
	p := providers.of[c]
	delete(providers.of, c)
	providers.Unlock()
	if p != nil {
		send(p.Shutdown)
	}
	return nil
}

// send gives what sends spans its time, and complains if they are lost.
func send(spans func(context.Context) error) {
	ctx, done := context.WithTimeout(context.Background(), flushing)
	defer done()
	if err := spans(ctx); err != nil {
		complaints.Handle(err)
	}
}

// Flush sends the spans that have ended, of all pipelines, as a worker ends: it is not told of the end of a pipeline, and
// other workers of the process may be in the midst of their spans.
func Flush() {
	providers.Lock()
	all := slices.Collect(maps.Values(providers.of))
	providers.Unlock()
	var sent sync.WaitGroup
	for _, p := range all {
		sent.Go(func() { send(p.ForceFlush) })
	}
	sent.Wait()
}

// complaint says now and then that spans are lost: each batch that is, would.
type complaint struct {
	mu   sync.Mutex
	last time.Time
}

var complaints complaint

// complaintInterval is what passes between two lines.
const complaintInterval = time.Minute

// Handle is otel.ErrorHandler's.
func (c *complaint) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.last) >= complaintInterval {
		c.last = time.Now()
		slog.Warn("spans were lost", "error", err)
	}
}

// endpoint adds the path that collectors listen at, where a URL has none.
func endpoint(base string) string {
	u, err := url.Parse(base)
	if err != nil || strings.Trim(u.Path, "/") != "" {
		return base
	}
	return u.JoinPath("v1", "traces").String()
}

// Span is something that takes its time.
type Span struct{ span trace.Span }

// Begin begins a span.
func (c Config) Begin(ctx context.Context, name string, attributes ...attribute.KeyValue) Span {
	var provider trace.TracerProvider = noop.NewTracerProvider()
	if c.Endpoint != "" {
		p, err := c.open(ctx)
		if err != nil {
			slog.Warn("a span is lost", "error", err)
		} else {
			provider = p
		}
	}
	_, span := provider.Tracer("clickstream", trace.WithInstrumentationVersion(version.Own())).Start(ctx, name, trace.WithAttributes(attributes...))
	return Span{span}
}

// Set adds attributes.
func (s Span) Set(attributes ...attribute.KeyValue) { s.span.SetAttributes(attributes...) }

// Sent tells whether somebody is told of the span, for whoever would gather attributes for nothing.
func (s Span) Sent() bool { return s.span.IsRecording() }

// End ends the span, by err if that is not nil.
func (s Span) End(err error) {
	if err != nil {
		s.span.SetStatus(codes.Error, err.Error())
	}
	s.span.End()
}

// Offsets are the attribute that links spans to records: «PARTITION:FIRST-NEXT» of each partition, ascending.
func Offsets(topic string, ranges map[int32]click.OffsetRange) []attribute.KeyValue {
	texts := make([]string, 0, len(ranges))
	for _, p := range slices.Sorted(maps.Keys(ranges)) {
		texts = append(texts, fmt.Sprintf("%d:%s", p, ranges[p]))
	}
	return []attribute.KeyValue{
		attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", topic),
		attribute.StringSlice("clickstream.offsets", texts),
	}
}

// traceOf returns the id of a pipeline's trace, which is the same in all its processes.
func traceOf(pipeline string) (id trace.TraceID) {
	sum := sha256.Sum256([]byte(pipeline))
	copy(id[:], sum[:])
	return id
}
