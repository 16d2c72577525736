package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	aod "github.com/agent-on-demand/aod/sdk/go"
)

const (
	interruptedCode = 130
	terminatedCode  = 143
	endTime         = 30 * time.Second // for terminating a session
)

// attachment is a command that waits for a turn of a session.
type attachment struct {
	client  *aod.Client
	session string
	turn    int  // the first that is shown
	only    bool // that one, and no later one
	view    *view
	owned   bool // the session is there for this command only: it ends with it

	last int64       // row that has been read
	idle *time.Timer // ends the reading, if there is one, unless something comes
}

// ended is how the events of an attachment came to their end.
type ended struct {
	event aod.Event
	err   error
}

// wait shows events until the turn ends, and does what a person wants who interrupts it.
func (a *attachment) wait(ctx context.Context) (aod.Event, error) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if ctx.Err() != nil { // it came while the session was being made
		signals <- os.Interrupt
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	end := make(chan ended, 1)
	go func() {
		event, err := a.follow(ctx)
		end <- ended{event, err}
	}()
	q := question{view: a.view}
	defer q.close()
	for {
		select {
		case e := <-end:
			if e.err != nil && !errors.Is(e.err, aod.ErrNotFound) {
				a.view.say(fmt.Sprintf("lost sight of session %s, which may work on. To come back: aod sessions logs -f %[1]s", a.session))
			}
			return e.event, e.err
		case s := <-signals:
			switch {
			case s == os.Interrupt && !q.open && q.possible():
				q.ask(a.session)
			case a.owned || q.open:
				return aod.Event{}, a.terminate(s)
			default:
				return aod.Event{}, a.detach(interruptedCode)
			}
		case answer := <-q.answers:
			switch q.decide(answer) {
			case detach:
				return aod.Event{}, a.detach(0)
			case terminate:
				return aod.Event{}, a.terminate(os.Interrupt)
			}
		}
	}
}

// follow shows events up to one that ends the turn.
func (a *attachment) follow(ctx context.Context) (aod.Event, error) {
	begun := a.turn <= 1
	for {
		for e, err := range a.client.Sessions.Follow(ctx, a.session, a.last) {
			if err != nil {
				return aod.Event{}, err
			}
			if a.idle != nil && e.Type == aod.EventStart {
				a.idle.Reset(beginning)
			} else if a.idle != nil {
				a.idle.Reset(settled)
			}
			if e.Type == aod.EventStage || e.Type == aod.EventOutput {
				a.last = e.ID
			}
			begun = begun || e.Turn >= a.turn
			if a.only && e.Turn != a.turn && (e.Turn > 0 || e.Type == aod.EventStage) {
				continue
			}
			if e.Type == aod.EventStale {
				break
			}
			if begun || e.Type == aod.EventStart || e.Ends() {
				if err := a.view.show(e); err != nil {
					return aod.Event{}, err
				}
			}
			if e.Ends() {
				return e, nil
			}
		}
		a.view.say("nothing has come for ten minutes; still waiting")
	}
}

// terminate ends the session; another interrupt ends the command at once.
func (a *attachment) terminate(s os.Signal) error {
	signal.Reset(os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	code := interruptedCode
	if s == syscall.SIGTERM {
		code = terminatedCode
	}
	if err := a.client.Sessions.Terminate(ctx, a.session); err != nil && !errors.Is(err, aod.ErrConflict) {
		return &Exit{code, fmt.Errorf("session %s may still be running: %w", a.session, explain(a.client, err))}
	}
	return &Exit{code, fmt.Errorf("session %s was terminated", a.session)}
}

func (a *attachment) detach(code int) error {
	fmt.Fprintf(a.view.words, "detached from session %s, which works on. To come back: aod sessions logs -f %[1]s\n", a.session)
	return &Exit{Code: code}
}

// giveUp ends a session that is done, and with it its Sprite.
func (a *attachment) giveUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime) // an interrupt may have been answered with going on
	defer cancel()
	if err := a.client.Sessions.Terminate(ctx, a.session); err != nil && !errors.Is(err, aod.ErrConflict) {
		a.view.say(fmt.Sprintf("session %s keeps its Sprite: %v", a.session, explain(a.client, err)))
	}
	return nil
}

// outcome is what the end of a turn means for the command.
func outcome(session string, end aod.Event) error {
	switch {
	case end.Type == aod.EventTerminated:
		return &Exit{1, fmt.Errorf("session %s was terminated", session)}
	case end.Type == aod.EventError:
		return &Exit{1, fmt.Errorf("session %s failed", session)}
	case end.Code != 0:
		code := end.Code
		if code < 0 || code > 255 {
			code = 1
		}
		return &Exit{code, fmt.Errorf("session %s failed with exit code %d", session, end.Code)}
	}
	return nil
}
