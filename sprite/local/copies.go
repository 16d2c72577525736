package local

import (
	"context"
	"errors"
	"sync"
)

var errDestroyed = errors.New("the sprite is being destroyed")

// copies are what a destruction must end before it can begin.
type copies struct {
	mu  sync.Mutex
	end map[string]context.CancelCauseFunc
}

// copying returns the context of a copy of the Sprite's files. There is one at a time.
func (h *Host) copying(ctx context.Context, name string) (context.Context, func()) {
	ctx, stop := merge(ctx, h.ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	h.copies.mu.Lock()
	defer h.copies.mu.Unlock()
	if h.copies.end == nil {
		h.copies.end = map[string]context.CancelCauseFunc{}
	}
	h.copies.end[name] = cancel
	return ctx, func() {
		h.copies.mu.Lock()
		defer h.copies.mu.Unlock()
		delete(h.copies.end, name)
		cancel(nil)
		stop()
	}
}

// interrupt ends the copy that is made of a Sprite.
func (c *copies) interrupt(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.end[name]; cancel != nil {
		cancel(errDestroyed)
	}
}
