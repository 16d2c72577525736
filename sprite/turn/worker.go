package turn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/agent-on-demand/aod/sprite/runtimes"
	"github.com/agent-on-demand/aod/store"
)

// worker does one turn.
type worker struct {
	*Supervisor
	ctx     context.Context
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed when the worker has let go of everything
	session string
	number  int
	log     *slog.Logger
	request trace.Link // to the one that asked for the turn; empty after a restart

	brief   *store.Brief
	runtime *runtimes.Runtime
	place   runtimes.Place // of the Sprite, when there is one
	journal journal        // of the turn, when there is a Sprite
	started time.Time      // when the turn was
	stage   store.Stage    // of provisioning that is under way
	cached  bool           // the Sprite has been made from a snapshot
}

func newWorker(s *Supervisor, session string, number int) *worker {
	w := &worker{Supervisor: s, session: session, number: number, done: make(chan struct{})}
	w.ctx, w.cancel = context.WithCancelCause(s.ctx)
	w.log = s.Log.With("session_id", session, "turn", number)
	return w
}

// failure is a reason whose text the reader of the session shall see as it is.
type failure struct{ text string }

func (f *failure) Error() string { return f.text }

func (w *worker) run() {
	began := time.Now()
	ctx, span := w.startSpan(w.ctx, "turn", trace.WithLinks(w.links()...))
	w.ctx = ctx
	outcome, err := w.guarded()
	if err != nil && errors.Is(context.Cause(w.ctx), errStopped) {
		endSpan(span, outcomeDetached)
		return // as it is, for the next server
	}
	if err := w.conclude(outcome); err != nil {
		endSpan(span, outcomeDetached)
		w.log.ErrorContext(w.ctx, "the turn's outcome could not be stored", "error", err)
		return
	}
	w.ended(span, outcome)
	log := w.log.With("status", outcome.Status, "took", time.Since(began).Round(time.Millisecond).String())
	if err != nil {
		what, _, _ := strings.Cut(err.Error(), "\n") // more lines would be output, which is the user's
		log = log.With("error", what)
	}
	log.InfoContext(w.ctx, "turn ended")
}

// links lead to the request that asked for the turn, if that is known and was traced.
func (w *worker) links() []trace.Link {
	if !w.request.SpanContext.IsValid() {
		return nil
	}
	return []trace.Link{w.request}
}

// ended tells how the turn came out.
func (w *worker) ended(span trace.Span, end store.Outcome) {
	outcome := string(end.Status)
	if end.Aborted || errors.Is(context.Cause(w.ctx), errTerminated) {
		outcome = outcomeTerminated
	}
	if w.runtime != nil { // else nothing was known of the turn
		span.SetAttributes(attribute.String("aod.runtime", w.runtime.Name))
		w.Observer.TurnEnded(w.runtime.Name, outcome, time.Since(w.brief.Turn.CreatedAt.Time()))
	}
	endSpan(span, outcome)
}

// guarded turns a panic into a failed turn: one session's bad luck must not end
// the others.
func (w *worker) guarded() (outcome store.Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			outcome = w.failed("turn failed: unexpected error: the server made a mistake; see its log")
		}
	}()
	return w.turn()
}

// turn does what there is to do and says how the turn ended. The error is why it
// did not end by itself.
func (w *worker) turn() (store.Outcome, error) {
	launch, what, err := w.begin()
	if err != nil {
		return w.gaveUp(what, err), err
	}
	return w.execute(launch)
}

// begin takes the turn to running, if it is not, and returns the command that
// launches it, if that has not been done. An error comes with what has failed.
func (w *worker) begin() (launch []string, what string, err error) {
	if err := w.prepare(); err != nil {
		return nil, "turn failed: ", err
	}
	pending := w.brief.Turn.Status == store.StatusPending
	if w.number == 1 && pending {
		if err := w.provision(); err != nil {
			return nil, "provision failed: ", err
		}
	}
	if !w.brief.Turn.Launched {
		if launch, err = w.lay(); err != nil {
			return nil, "turn failed: ", w.explained(err)
		}
	}
	if pending {
		err = w.start()
	}
	return launch, "turn failed: ", err
}

func (w *worker) prepare() (err error) {
	if w.brief, err = w.Store.Brief(w.ctx, w.session, w.number); err != nil {
		return err
	}
	if w.brief.Session.Status.Final() { // terminated before the worker was known
		return store.ErrTooLate
	}
	if at := w.brief.Turn.StartedAt; at != nil {
		w.started = at.Time()
	}
	var known bool
	if w.runtime, known = runtimes.ByName(w.brief.Session.Runtime); !known {
		return &failure{"this server does not run " + w.brief.Session.Runtime}
	}
	return nil
}

// explained is err, or that the Sprite is gone if that is why.
func (w *worker) explained(err error) error {
	if there, asked := w.Sprites.Exists(w.ctx, w.brief.Session.Sprite); asked == nil && !there {
		return &failure{"the Sprite is gone"}
	}
	return err
}

// start takes the turn to running; from here on nobody else can.
func (w *worker) start() error {
	span, err := w.Store.StartTurn(w.ctx, w.session, w.number, store.Row{Stage: store.StageRuntimeStart, State: store.StageStarted})
	if err != nil {
		return err
	}
	w.started = time.Now()
	w.Readers.Publish(w.session, span.After, span.Frames...)
	return nil
}

// gaveUp is the outcome of a turn that was not started.
func (w *worker) gaveUp(what string, err error) store.Outcome {
	if errors.Is(err, store.ErrTooLate) || errors.Is(context.Cause(w.ctx), errTerminated) {
		return aborted(w.number)
	}
	return w.failed(what + reason(err))
}

// reason is what the reader of the session is told of err.
func reason(err error) string {
	if known := (*failure)(nil); errors.As(err, &known) {
		return known.text
	}
	return "unexpected error: " + err.Error()
}

func (w *worker) failed(text string) store.Outcome {
	return store.Outcome{Status: store.StatusFailed, Rows: []store.Row{note(w.number, text)}}
}

func aborted(number int) store.Outcome {
	return store.Outcome{
		Status:  store.StatusFailed,
		Aborted: true,
		Rows:    []store.Row{note(number, "turn aborted: session terminated before execution started")},
	}
}

// note is a line of our own in the turn's output.
func note(number int, text string) store.Row {
	return store.Row{Turn: number, Stream: store.Stderr, Data: text + "\n"}
}
