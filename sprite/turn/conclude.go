package turn

import (
	"context"
	"errors"
	"time"

	"github.com/agent-on-demand/aod/store"
)

const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// conclude stores the outcome of a turn and tells the readers. A store that
// refuses for the moment, with its disk full for instance, is asked again until
// the server stops. A session that was deleted meanwhile needs no outcome.
func (s *Supervisor) conclude(ctx context.Context, session string, number int, outcome store.Outcome) error {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		span, err := s.Store.EndTurn(context.WithoutCancel(ctx), session, number, outcome)
		var refusal *store.Error
		switch {
		case err == nil:
			s.Readers.Publish(session, span.After, span.Frames...)
			s.Readers.Wake(session)
			return nil
		case errors.Is(err, store.ErrTooLate), errors.As(err, &refusal) && refusal.Kind == store.KindNotFound:
			s.Readers.Wake(session)
			return nil
		}
		s.Log.ErrorContext(ctx, "store a turn's outcome", "session_id", session, "turn", number, "error", err, "retry", wait)
		if !s.pause(wait) {
			return err
		}
	}
}

// pause waits and reports whether to go on.
func (s *Supervisor) pause(wait time.Duration) bool { return sleep(s.ctx, wait) }

// sleep waits and reports whether ctx is still alive.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
