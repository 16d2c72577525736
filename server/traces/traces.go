// Package traces sends what a server does to an OpenTelemetry collector, as spans, where
// the standard OTEL_* variables name one. Where they do not, there is nothing of it: no
// goroutine, no connection, no span.
//
// Endpoint, headers, certificates, compression and timeout (OTEL_EXPORTER_OTLP_*), the
// sampler (OTEL_TRACES_SAMPLER), the batches (OTEL_BSP_*), the limits of spans and the
// resource are read from the environment by the OpenTelemetry SDK.
package traces

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope names who makes the spans.
const scope = "github.com/agent-on-demand/aod"

// Tracer makes spans and sends them.
type Tracer struct {
	trace.Tracer
	provider *sdk.TracerProvider
}

// Open returns a Tracer, or nil where the environment wants none.
func Open(ctx context.Context, version string, log *slog.Logger) (*Tracer, error) {
	wanted, err := wanted()
	if err != nil || !wanted {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "aod"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(), // last: OTEL_SERVICE_NAME counts
	)
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(&sender{SpanExporter: exporter, log: log}), sdk.WithResource(about))
	return &Tracer{Tracer: provider.Tracer(scope, trace.WithInstrumentationVersion(version)), provider: provider}, nil
}

// Close sends what has not been sent, for as long as ctx lets it.
func (t *Tracer) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// Incoming returns ctx with the span of which a request's caller says that it is a part.
func (t *Tracer) Incoming(ctx context.Context, header http.Header) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
}
