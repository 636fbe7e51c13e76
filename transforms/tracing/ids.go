package tracing

import (
	"context"
	"math/rand/v2"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"clickstream/io/version"
)

// ids gives all spans of a pipeline the one trace.
type ids struct{ trace trace.TraceID }

// NewIDs implements the SDK's IDGenerator.
func (g *ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	return g.trace, g.NewSpanID(ctx, g.trace)
}

// NewSpanID implements the SDK's IDGenerator.
func (g *ids) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	for !id.IsValid() {
		n := rand.Uint64() //nolint:gosec // it is to differ, and no secret
		for i := range id {
			id[i] = byte(n >> (8 * i))
		}
	}
	return id
}

// described says what the spans are of.
func described() *resource.Resource {
	return resource.NewSchemaless(attribute.String("service.name", "clickstream"), attribute.String("service.version", version.Own()))
}
