// Package otlptest is a collector of traces for a test: it speaks OTLP over HTTP, and keeps what it is sent.
package otlptest

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector keeps spans.
type Collector struct {
	URL string

	server *httptest.Server

	mu    sync.Mutex
	spans []*tracepb.Span
}

// Start starts a collector on a free port of loopback, until the test ends.
func Start(t *testing.T) *Collector {
	t.Helper()
	c := &Collector{}
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		assert.Equal(t, "/v1/traces", req.URL.Path)
		body := io.Reader(req.Body)
		if req.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(body)
			if !assert.NoError(t, err) {
				return
			}
			body = unzipped
		}
		data, err := io.ReadAll(body)
		assert.NoError(t, err)
		var export collectorpb.ExportTraceServiceRequest
		assert.NoError(t, proto.Unmarshal(data, &export))
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, r := range export.GetResourceSpans() {
			for _, s := range r.GetScopeSpans() {
				c.spans = append(c.spans, s.GetSpans()...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	c.URL = c.server.URL
	return c
}

// Close ends the collector.
func (c *Collector) Close() { c.server.Close() }

// Named returns the spans of a name that have come so far.
func (c *Collector) Named(name string) []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.spans), func(s *tracepb.Span) bool { return s.GetName() != name })
}

// Attribute returns a span's attribute as text: of a list, its values.
func Attribute(s *tracepb.Span, key string) (values []string) {
	for _, a := range s.GetAttributes() {
		if a.GetKey() != key {
			continue
		}
		if list := a.GetValue().GetArrayValue(); list != nil {
			for _, v := range list.GetValues() {
				values = append(values, v.GetStringValue())
			}
			return values
		}
		return []string{a.GetValue().GetStringValue()}
	}
	return nil
}
