// Package turn does the turns of sessions. Its guarantees:
//
//   - one goroutine works on a session at a time, and it is the only one that
//     adds to the session's log;
//   - a row is in the store before a reader is told of it;
//   - a turn is started by one guarded statement, so it is started once;
//   - a terminated session stays terminated, whatever its turn reports;
//   - a Sprite that no session owns any more is destroyed, over restarts too;
//   - what is destroyed for being nobody's has been seen so twice (sweep.go).
//
// The life of a turn, and of its session with it:
//
//	pending ── StartTurn ──► running ── exit 0 ─────► completed
//	   │                        └────── any other ──► failed
//	   └── could not start ─────────────────────────► failed
package turn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/agent-on-demand/aod/sprite/runtimes"
	"github.com/agent-on-demand/aod/store"
)

// Sprites is what turns need of the Sprites service.
type Sprites interface {
	Create(ctx context.Context, name string, labels ...string) error
	List(ctx context.Context, prefix string) ([]string, error) // all of them or an error
	Exists(ctx context.Context, name string) (bool, error)
	Home(ctx context.Context, name string) (string, error)
	WriteFile(ctx context.Context, name, path string, data []byte, perm fs.FileMode) error
	Allow(ctx context.Context, name string, hosts []string) error
	Exec(ctx context.Context, name string, argv []string, stdout, stderr io.Writer) (int, error)
	Launch(ctx context.Context, name string, argv []string, stdout, stderr io.Writer) (int, error) // goes on when ctx ends
	Destroy(ctx context.Context, name string) error
	Refused(err error) bool // whether the same call would be refused again
}

// Readers are told of rows that are in the store, and of changes of a session's
// status.
type Readers interface {
	Publish(session string, after int64, frames ...store.Frame)
	Wake(session string)
}

// Options are what a Supervisor works with.
type Options struct {
	Store   *store.Store
	Sprites Sprites
	Readers Readers
	Log     *slog.Logger
	Sweep   Sweep

	// Keys are the operator's variables for every session's environment file.
	Keys map[string]store.Secret
	// Cache, if not nil, keeps what environments leave in a Sprite.
	Cache Cache
	// Install makes a runtime's program appear in every Sprite. Where it is nil,
	// the program is installed in each Sprite that lacks it.
	// say tells what takes long.
	Install func(ctx context.Context, p runtimes.Package, say func(string)) error
	// Versions are those of runtimes that shall not be the ones that were tried, by name.
	Versions map[string]string
	// Available returns nil if Sprites can be made, or the refusal of what needs one.
	// It may take its time.
	Available func(ctx context.Context) error
	// Observer, if not nil, is told of turns and stages that have ended.
	Observer Observer
	// Tracer, if not nil, makes spans of turns, stages and commands.
	Tracer trace.Tracer
}

// Supervisor starts, watches and ends turns.
type Supervisor struct {
	Options
	ctx  context.Context // of all work; ends when Close is called
	stop context.CancelCauseFunc

	mu         sync.Mutex
	workers    map[string]*worker // by session
	destroying map[string]bool    // by sprite
	work       sync.WaitGroup
	doomed     chan struct{} // a wake-up for destroy
}

// Why work is cut short.
var (
	errTerminated = errors.New("session terminated")
	errStopped    = errors.New("server stopping")
)

// New returns a Supervisor. Start it.
func New(o Options) *Supervisor {
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	} else {
		o.Sprites = observed{o.Sprites, o.Tracer}
	}
	ctx, stop := context.WithCancelCause(context.Background())
	return &Supervisor{Options: o, ctx: ctx, stop: stop, workers: map[string]*worker{}, destroying: map[string]bool{}, doomed: make(chan struct{}, 1)}
}

// Start takes up what the last server left and begins to destroy the Sprites
// that nobody owns.
func (s *Supervisor) Start(ctx context.Context) error {
	if err := s.rescue(ctx); err != nil {
		return fmt.Errorf("take up unfinished turns: %w", err)
	}
	s.work.Go(s.destroy)
	s.work.Go(s.sweep)
	return nil
}

// Close stops working and returns when every goroutine has ended. Turns that
// have not ended stay as they are for the next Start.
func (s *Supervisor) Close() {
	s.mu.Lock()
	s.stop(errStopped)
	s.mu.Unlock()
	s.work.Wait()
}

// Create stores a session with its first turn, and with its receipt if there is
// one, and starts to work on it.
func (s *Supervisor) Create(ctx context.Context, user string, spec store.SessionSpec, receipt *store.Receipt[*store.Session]) (*store.Session, error) {
	unavailable := s.Available(ctx) // not in the transaction
	session, err := s.Store.CreateSession(ctx, user, spec, func(agent *store.Agent) error {
		if err := runnable(agent); err != nil {
			return err
		}
		return unavailable
	}, receipt)
	if err != nil {
		return nil, err
	}
	s.Log.InfoContext(ctx, "session created", "session_id", session.ID, "turn", 1, "runtime", session.Runtime)
	s.begin(ctx, session.ID, 1)
	return session, nil
}

// runnable refuses an agent that this server cannot run.
func runnable(agent *store.Agent) error {
	if _, known := runtimes.ByName(agent.Runtime); !known {
		return store.BadRequest("%s", &runtimes.UnknownRuntime{Runtime: agent.Runtime})
	}
	_, err := runtimes.Model(agent.Runtime, "", agent.Model)
	if err != nil {
		return store.Invalid("%s", err)
	}
	return nil
}

// Prompt stores the next turn of a session, and its receipt if there is one, and
// starts to work on it. It returns the turn's number.
func (s *Supervisor) Prompt(ctx context.Context, user, session, prompt string, timeout int, receipt *store.Receipt[int]) (int, error) {
	if err := s.Available(ctx); err != nil {
		return 0, err
	}
	number, err := s.Store.AddTurn(ctx, user, session, prompt, timeout, receipt)
	if err != nil {
		return 0, err
	}
	s.Log.InfoContext(ctx, "session prompted", "session_id", session, "turn", number)
	s.Readers.Wake(session)
	s.begin(ctx, session, number)
	return number, nil
}

// Terminate ends a session for good. What it is doing is killed, and its Sprite
// destroyed, after Terminate has returned.
func (s *Supervisor) Terminate(ctx context.Context, user, session string) error {
	if err := s.Store.TerminateSession(ctx, user, session); err != nil {
		return err
	}
	s.Log.InfoContext(ctx, "session terminated", "session_id", session)
	s.end(session)
	return nil
}

// Delete removes a session that is not active.
func (s *Supervisor) Delete(ctx context.Context, user, session string) error {
	if err := s.Store.DeleteSession(ctx, user, session); err != nil {
		return err
	}
	s.Log.InfoContext(ctx, "session deleted", "session_id", session)
	s.end(session)
	return nil
}

// end stops the work on a session that has come to its end in the store.
func (s *Supervisor) end(session string) {
	s.Readers.Wake(session)
	s.mu.Lock()
	w := s.workers[session]
	s.mu.Unlock()
	if w != nil {
		w.cancel(errTerminated)
		return // the worker calls destroy when it has let go of the Sprite
	}
	s.wakeDestroy()
}

// begin works on a turn that is pending in the store, at the request whose context it is
// given. The worker of the turn before it may still be on its way out: the next one
// waits for it.
func (s *Supervisor) begin(request context.Context, session string, number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return // the next server takes it up
	}
	before := s.workers[session]
	w := newWorker(s, session, number)
	w.request = trace.LinkFromContext(request)
	s.workers[session] = w
	s.work.Go(func() {
		defer s.finished(w)
		if before != nil {
			<-before.done
		}
		w.run()
	})
}

func (s *Supervisor) finished(w *worker) {
	s.mu.Lock()
	if s.workers[w.session] == w {
		delete(s.workers, w.session)
	}
	s.mu.Unlock()
	w.cancel(nil)
	close(w.done)
	s.wakeDestroy()
}
