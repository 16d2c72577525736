package server

import (
	"context"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/agent-on-demand/aod/server/traces"
)

// probes are asked again and again and tell nothing that a span could add to.
var probes = map[string]bool{"getHealth": true, "getLiveness": true, "getReadiness": true}

// trace makes a span of each request, as a part of its caller's if it names one. The
// span has what the document says of the request, never what the request says.
func (s *Server) trace(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		name, about := "unknown", []attribute.KeyValue(nil)
		if op := s.validator.operation(c); op != nil {
			if probes[op.id] {
				return next(c)
			}
			name = c.Request().Method + " " + op.path
			about = append(about, attribute.String("aod.operation", op.id), attribute.String("http.route", op.path), attribute.String("http.request.method", c.Request().Method))
		}
		ctx := s.tracer.Incoming(c.Request().Context(), c.Request().Header)
		ctx, span := s.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(about...))
		defer span.End()
		c.SetRequest(c.Request().WithContext(ctx))
		err := next(c)
		span.SetAttributes(attribute.Int("http.response.status_code", c.Response().Status))
		if r := requestOf(ctx); r.session != "" {
			span.SetAttributes(attribute.String("aod.session_id", r.session))
		}
		if c.Response().Status >= 500 {
			span.SetStatus(codes.Error, "")
		}
		return err
	}
}

// openTraces opens a Tracer, if the environment wants one, and returns what sends the
// last spans.
func openTraces(ctx context.Context, c Config) (*traces.Tracer, func(), error) {
	tracer, err := traces.Open(ctx, c.Version, c.Log)
	if tracer == nil {
		return nil, func() {}, err
	}
	return tracer, func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), partingTimeout)
		defer cancel()
		if err := tracer.Close(closing); err != nil {
			c.Log.Warn("the last traces could not be sent", "error", err)
		}
	}, nil
}
