package turn

import (
	"context"
	"errors"
	"io"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/agent-on-demand/aod/store"
)

// Observer is told what has ended, how and after how long. Work waits for it.
type Observer interface {
	TurnEnded(runtime, outcome string, took time.Duration)
	StageEnded(stage store.Stage, runtime, outcome string, took time.Duration)
}

// nobody is an Observer where there is none.
type nobody struct{}

func (nobody) TurnEnded(string, string, time.Duration)               {}
func (nobody) StageEnded(store.Stage, string, string, time.Duration) {}

// What has ended came out in one of these ways, or with the status of a turn.
const (
	outcomeDone       = "done" // a stage
	outcomeFailed     = "failed"
	outcomeTerminated = "terminated" // with its session
	outcomeDetached   = "detached"   // the server stops; the next one goes on
)

// Spans say which session, turn and runtime they are of, and how what they cover came
// out. They never have a prompt, a command, an output or an error's text, which quotes
// those.
func (w *worker) startSpan(ctx context.Context, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	o = append(o, trace.WithAttributes(attribute.String("aod.session_id", w.session), attribute.Int("aod.turn", w.number)))
	return w.Tracer.Start(ctx, name, o...)
}

// endSpan ends a span of something that came out that way.
func endSpan(span trace.Span, outcome string) {
	span.SetAttributes(attribute.String("aod.outcome", outcome))
	if outcome == outcomeFailed {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// outcome says how something came out that had this error.
func (w *worker) outcome(err error, good string) string {
	switch cause := context.Cause(w.ctx); {
	case errors.Is(cause, errTerminated):
		return outcomeTerminated
	case errors.Is(cause, errStopped) && err != nil:
		return outcomeDetached
	case err != nil:
		return outcomeFailed
	}
	return good
}

// do does a step and tells how long it took.
func (w *worker) do(ctx context.Context, s step) error {
	ctx, span := w.startSpan(ctx, "stage "+string(s.stage))
	err := s.do(ctx)
	outcome := w.outcome(errors.Join(err, context.Cause(ctx)), outcomeDone)
	w.Observer.StageEnded(s.stage, w.runtime.Name, outcome, time.Since(s.began))
	endSpan(span, outcome)
	return err
}

// observed are Sprites whose commands are spans.
type observed struct {
	Sprites
	tracer trace.Tracer
}

// Exec runs a command.
func (o observed) Exec(ctx context.Context, name string, argv []string, stdout, stderr io.Writer) (int, error) {
	return o.run(ctx, "exec", o.Sprites.Exec, name, argv, stdout, stderr)
}

// Launch runs a command that starts something.
func (o observed) Launch(ctx context.Context, name string, argv []string, stdout, stderr io.Writer) (int, error) {
	return o.run(ctx, "launch", o.Sprites.Launch, name, argv, stdout, stderr)
}

func (o observed) run(ctx context.Context, what string, run run, name string, argv []string, stdout, stderr io.Writer) (int, error) {
	ctx, span := o.tracer.Start(ctx, what, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("aod.sprite", name)))
	defer span.End()
	code, err := run(ctx, name, argv, stdout, stderr)
	if err != nil {
		span.SetStatus(codes.Error, "")
		return code, err
	}
	span.SetAttributes(attribute.Int("process.exit.code", code))
	return code, nil
}
