package traces

import (
	"context"
	"log/slog"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// sender says in the server's log when spans cannot be sent, once until they can again.
// Without it the SDK would write each failure to standard error.
type sender struct {
	sdk.SpanExporter
	log     *slog.Logger
	failing bool // only one export is under way at a time
}

// ExportSpans sends spans. Those that cannot be sent are lost.
func (s *sender) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := s.SpanExporter.ExportSpans(ctx, spans)
	level := slog.LevelWarn
	if s.failing {
		level = slog.LevelDebug
	}
	if err != nil {
		s.log.Log(ctx, level, "traces could not be sent", "spans", len(spans), "error", err)
	}
	s.failing = err != nil
	return nil
}
