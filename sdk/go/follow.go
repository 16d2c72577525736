package aod

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"time"
)

// steady is how long a connection lasts that counts as a good one though it showed nothing new.
const steady = 30 * time.Second

// Follow yields the events of a session after the row since until the session's turn ends or
// nothing comes for ten minutes, over as many connections as that takes. No event is shown
// twice and none is left out. It gives up, with an error, when it has come back many times in
// a row to nothing new (WithReconnects), or when the server refuses.
func (s *Sessions) Follow(ctx context.Context, id string, since int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f := follower{last: since}
		for failures := 0; ; failures++ {
			opened := time.Now()
			var broken error
			for event, err := range s.Stream(ctx, id, f.last) {
				if broken = err; err != nil {
					break
				}
				if !f.new(event) {
					continue
				}
				failures = 0
				if !yield(event, nil) || event.Ends() {
					return
				}
			}
			if time.Since(opened) > steady {
				failures = 0
			}
			if ctx.Err() != nil || final(broken) || failures >= s.c.settings.reconnects {
				yield(Event{}, s.giveUp(ctx, broken, failures))
				return
			}
			if !s.wait(ctx, failures) {
				yield(Event{}, context.Cause(ctx))
				return
			}
		}
	}
}

// follower remembers what has been shown.
type follower struct {
	started bool
	last    int64 // row
	turn    int
}

// new says whether the event is to be shown.
func (f *follower) new(e Event) bool {
	switch {
	case e.Type == EventStart:
		old := f.started
		f.started = true
		return !old
	case e.Type == EventTurnStart:
		if e.Turn == f.turn {
			return false
		}
		f.turn = e.Turn
	case e.stored():
		if e.ID <= f.last {
			return false
		}
		f.last = e.ID
	}
	return true
}

// final says whether coming back is of no use.
func final(err error) bool {
	var refused *Error
	if !errors.As(err, &refused) {
		return false
	}
	return refused.StatusCode < 500 && refused.StatusCode != http.StatusTooManyRequests && refused.StatusCode != http.StatusRequestTimeout
}

func (s *Sessions) giveUp(ctx context.Context, broken error, failures int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if final(broken) {
		return broken
	}
	return fmt.Errorf("came back %d times to nothing new: %w", failures, broken)
}

// wait pauses, longer each time and never exactly as long as others do.
func (s *Sessions) wait(ctx context.Context, failures int) bool {
	pause := min(s.c.settings.first<<min(failures, 20), s.c.settings.last)
	timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
