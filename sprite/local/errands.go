package local

import (
	"context"
	"net/http"
	"sync"
)

var errDestroyed = &apiError{http.StatusConflict, "conflict", "the sprite is being destroyed"}

// errands are what may take long with a Sprite's files, and what a destruction must end before it can begin.
type errands struct {
	mu     sync.Mutex
	end    map[string]map[*context.CancelCauseFunc]bool
	doomed map[string]int // destructions that wait
}

// errand returns the context of one.
func (h *Host) errand(ctx context.Context, name string) (context.Context, func()) {
	ctx, stop := merge(ctx, h.ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	e := &h.errands
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.end == nil {
		e.end = map[string]map[*context.CancelCauseFunc]bool{}
	}
	if e.end[name] == nil {
		e.end[name] = map[*context.CancelCauseFunc]bool{}
	}
	e.end[name][&cancel] = true
	if e.doomed[name] > 0 {
		cancel(errDestroyed)
	}
	return ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.end[name], &cancel)
		if len(e.end[name]) == 0 {
			delete(e.end, name)
		}
		cancel(nil)
		stop()
	}
}

// interrupt ends the errands with a Sprite, and any that begins before resume is called.
func (e *errands) interrupt(name string) (resume func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.doomed == nil {
		e.doomed = map[string]int{}
	}
	e.doomed[name]++
	for cancel := range e.end[name] {
		(*cancel)(errDestroyed)
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.doomed[name]--; e.doomed[name] == 0 {
			delete(e.doomed, name)
		}
	}
}
