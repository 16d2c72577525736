package server

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// contextual adds to each line what its context knows: the id of the request that it is
// about, and the span, if there is one.
type contextual struct{ slog.Handler }

// Handle writes a line.
func (h contextual) Handle(ctx context.Context, line slog.Record) error {
	if id := requestOf(ctx).id; id != "" {
		line.AddAttrs(slog.String("request_id", id))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		line.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, line)
}

// WithAttrs returns a handler whose lines have these attributes, too.
func (h contextual) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextual{h.Handler.WithAttrs(attrs)}
}

// WithGroup returns a handler whose lines' attributes are in a group.
func (h contextual) WithGroup(name string) slog.Handler {
	return contextual{h.Handler.WithGroup(name)}
}
