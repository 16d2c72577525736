package turn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/agent-on-demand/aod/store"
)

const (
	// overtime is how long after its limit a turn is given up that its Sprite has not ended.
	overtime = 30 * time.Second
	// quiet is how long a connection to a Sprite may be silent before another one takes its place. One that is dead without having been
	// closed is silent, too.
	quiet = 45 * time.Second

	firstReturn = 100 * time.Millisecond
	lastReturn  = 5 * time.Second

	refusalsTaken = 5
)

// execute launches a turn that is running in the store, unless that has been done, and follows it to its end.
func (w *worker) execute(launch []string) (store.Outcome, error) {
	limit := time.Duration(w.brief.Turn.Timeout) * time.Second
	ctx, cancel := context.WithDeadlineCause(w.ctx, givenUp(w.started, time.Now(), limit, launch == nil), w.timedOut())
	defer cancel()
	ctx, span := w.startSpan(ctx, "run")
	end, err := w.follow(ctx, launch)
	endSpan(span, w.outcome(err, outcomeDone))
	switch {
	case errors.Is(err, errTerminated):
		return store.Outcome{Status: store.StatusFailed}, err
	case err != nil:
		return w.failed("turn failed: " + reason(err)), err
	case end.code != 0:
		return store.Outcome{Status: store.StatusFailed, ExitCode: &end.code}, nil
	}
	verdict, err := w.verdict(ctx)
	if err == nil && verdict.Failure != "" {
		err = &failure{verdict.Failure}
	}
	switch {
	case errors.Is(err, errTerminated):
		return store.Outcome{Status: store.StatusFailed}, err
	case err != nil:
		return w.failed("turn failed: " + reason(err)), err
	}
	outcome := store.Outcome{Status: store.StatusCompleted, ExitCode: &end.code}
	if w.number == 1 {
		outcome.Conversation = verdict.Conversation
	}
	return outcome, nil
}

// givenUp is when a turn is given up that its Sprite has not ended. One that was launched may have ended long ago, while no server was
// there to see it: there is time to read how. One that was not has all of its time before it.
func givenUp(started, now time.Time, limit time.Duration, launched bool) time.Time {
	end := started.Add(limit)
	switch {
	case !launched:
		end = now.Add(limit)
	case end.Before(now):
		end = now
	}
	return end.Add(overtime)
}

// join comes to the turn in its Sprite: launches it, or finds the one that was launched before.
func (w *worker) join(ctx context.Context, launch []string) error {
	if launch != nil {
		return w.launch(ctx, launch)
	}
	return w.insist(ctx, func() error { return w.locate(ctx) })
}

// launch makes the turn run in its Sprite. It may have been launched before: then it goes on as it is.
func (w *worker) launch(ctx context.Context, argv []string) error {
	var words *tail
	err := w.insist(ctx, func() error {
		words = w.tail()
		err := w.attend(ctx, w.Sprites.Launch, argv, io.Discard, words)
		if w.Sprites.Refused(err) { // nothing runs yet that could be worth more patience
			err = &refusal{err}
		}
		return err
	})
	if errors.As(err, new(*refusal)) {
		err = fmt.Errorf("launch the runtime: %w", err)
		if said := words.String(); said != "" {
			err = fmt.Errorf("%w\nstderr:\n%s", err, said)
		}
	}
	if err != nil {
		return err
	}
	return w.Store.MarkLaunched(ctx, w.session, w.number)
}

// follow brings the output of a turn from its Sprite into the session's log, from where the log ends on, and says how the turn ended. It
// needs no connection to last: what one has not brought, the next one does.
func (w *worker) follow(ctx context.Context, launch []string) (state, error) {
	if err := w.join(ctx, launch); err != nil {
		return state{}, err
	}
	r := newRecorder(w.Store, w.Readers, w.session, w.number, w.secrets(), w.cancel, w.pause)
	end, err := w.watch(ctx, r)
	if errors.Is(err, errStopped) {
		return state{}, errors.Join(err, r.detach())
	}
	if lost := r.close(); lost != nil && err == nil {
		err = fmt.Errorf("store output: %w", lost)
	}
	return end, err
}

func (w *worker) timedOut() error {
	return &failure{fmt.Sprintf("timed out after %d seconds", w.brief.Turn.Timeout)}
}

// watch reads the turn's journals to their ends. The error is why the turn did not exit by itself, or why it is not known.
func (w *worker) watch(ctx context.Context, r *recorder) (state, error) {
	for {
		if err := w.both(ctx, r, w.journal.follow); err != nil && !errors.As(err, new(*refusal)) {
			return state{}, err
		}
		var now state
		err := w.insist(ctx, func() (err error) {
			now, err = w.ask(ctx)
			return err
		})
		if err != nil {
			return state{}, err
		}
		switch now.kind {
		case stateRunning: // its readers were killed
			continue
		case stateMissing:
			return state{}, &failure{"its files in the Sprite are gone"}
		}
		if err := w.both(ctx, r, w.journal.rest); err != nil {
			return state{}, err
		}
		switch now.kind {
		case stateTimedOut:
			return state{}, w.timedOut()
		case stateLost:
			return state{}, &failure{"its processes were killed in the Sprite"}
		}
		return now, nil
	}
}

// both reads both journals side by side.
func (w *worker) both(ctx context.Context, r *recorder, command func(store.Stream, int64) []string) error {
	var work sync.WaitGroup
	var failed [2]error
	for i, stream := range []store.Stream{store.Stdout, store.Stderr} {
		work.Go(func() {
			failed[i] = w.insist(ctx, func() error { return w.read(ctx, r, stream, command) })
		})
	}
	work.Wait()
	return errors.Join(failed[:]...)
}

// read reads one journal from where the recorder is.
func (w *worker) read(ctx context.Context, r *recorder, stream store.Stream, command func(store.Stream, int64) []string) error {
	from := w.brief.Turn.StdoutOffset
	if stream == store.Stderr {
		from = w.brief.Turn.StderrOffset
	}
	argv := command(stream, from+r.accepted(stream))
	if stream == store.Stderr {
		return w.attend(ctx, w.Sprites.Exec, argv, r.stream(stream), io.Discard)
	}
	return w.attend(ctx, w.Sprites.Exec, argv, r.stream(stream), r.aside()) // a Sprite's host speaks to everybody who is connected; once is enough
}

// ask asks the Sprite how far the turn is.
func (w *worker) ask(ctx context.Context) (state, error) {
	said := &tail{masker: newMasker(newPatterns(nil))} // words of ours, also if they are somebody's secret
	if err := w.attend(ctx, w.Sprites.Exec, w.journal.state(), said, io.Discard); err != nil {
		return state{}, err
	}
	now, err := parseState(said.String())
	if err != nil {
		return state{}, &failure{err.Error()} // the same for ever
	}
	return now, nil
}

var errQuiet = errors.New("nothing has come for a while")

// run is how a command runs in a Sprite: what becomes of it when ctx ends.
type run func(ctx context.Context, name string, argv []string, stdout, stderr io.Writer) (int, error)

// attend runs a command of the journal, which has to succeed. A connection that is silent for too long is given up with errQuiet.
func (w *worker) attend(ctx context.Context, run run, argv []string, stdout, stderr io.Writer) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	silence := time.AfterFunc(quiet, func() { giveUp(errQuiet) })
	defer silence.Stop()
	code, err := run(ctx, w.brief.Session.Sprite, argv, heard{stdout, silence}, stderr)
	if err == nil && code != 0 {
		err = &refusal{fmt.Errorf("exit code %d", code)}
	}
	return err
}

// refusal is an error that another attempt may have as well: a command of the journal has failed, or the service does not run it.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

// heard is a writer that ends a silence.
type heard struct {
	io.Writer
	silence *time.Timer
}

func (h heard) Write(b []byte) (int, error) {
	h.silence.Reset(quiet)
	return h.Writer.Write(b)
}

// insist does something again until it succeeds, ctx ends, the Sprite is gone or has refused it several times.
func (w *worker) insist(ctx context.Context, do func() error) error {
	refusals := 0
	for wait := firstReturn; ; wait = min(2*wait, lastReturn) {
		began := time.Now()
		err := do()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, new(*failure)):
			return err
		case errors.Is(err, errQuiet):
			continue // without a pause
		case errors.As(err, new(*refusal)):
			if refusals++; refusals == refusalsTaken {
				return w.explained(err)
			}
		default:
			if there, asked := w.Sprites.Exists(ctx, w.brief.Session.Sprite); asked == nil && !there {
				return &failure{"the Sprite is gone"}
			}
		}
		w.log.DebugContext(ctx, "connect to the Sprite again", "error", err)
		if time.Since(began) > lastReturn { // it worked for a while
			wait, refusals = firstReturn, 0
		}
		if !sleep(ctx, wait) {
			return context.Cause(ctx)
		}
	}
}
