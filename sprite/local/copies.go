package local

import (
	"context"
	"errors"
	"sync"
)

var errDestroyed = errors.New("the sprite is being destroyed")

// copies are what a destruction must end before it can begin.
type copies struct {
	mu     sync.Mutex
	end    map[string]context.CancelCauseFunc
	doomed map[string]int // destructions that wait
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
	if h.copies.doomed[name] > 0 {
		cancel(errDestroyed)
	}
	return ctx, func() {
		h.copies.mu.Lock()
		defer h.copies.mu.Unlock()
		delete(h.copies.end, name)
		cancel(nil)
		stop()
	}
}

// interrupt ends the copy that is made of a Sprite, and any that begins before resume is called.
func (c *copies) interrupt(name string) (resume func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.doomed == nil {
		c.doomed = map[string]int{}
	}
	c.doomed[name]++
	if cancel := c.end[name]; cancel != nil {
		cancel(errDestroyed)
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.doomed[name]--; c.doomed[name] == 0 {
			delete(c.doomed, name)
		}
	}
}
