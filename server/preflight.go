package server

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agent-on-demand/aod/store"
)

const (
	retryPreflight = 5 * time.Second // a failed attempt counts for so long
	restPreflight  = time.Minute     // between two attempts that nobody asks for, at most
)

// preflight finds out whether Sprites can run on this machine, by running one. Once
// one has run, they can; until then each attempt counts for a while, so what an
// operator puts right is noticed without a restart.
type preflight struct {
	attempt func(ctx context.Context, ran func()) error
	log     *slog.Logger
	ready   atomic.Bool // a Sprite has run

	mu    sync.Mutex // held during an attempt: others wait for its outcome
	tried time.Time
	err   error
}

// begin makes attempts in the background until one succeeds, so that the outcome is in
// the log and known when the first session is asked for, and is noticed also where no
// session is asked for since the server is not ready. end waits for it.
func (p *preflight) begin(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() {
		for rest := retryPreflight; p.check(ctx) != nil; rest = min(2*rest, restPreflight) { // it logs what it finds
			select {
			case <-time.After(rest):
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); work.Wait() }
}

// known reports whether Sprites are known to run, without finding out.
func (p *preflight) known() bool { return p == nil || p.ready.Load() }

// check returns nil if Sprites can run, or a refusal that says why not and which
// command would help. A service, which has no preflight, says that for itself.
func (p *preflight) check(ctx context.Context) error {
	if p.known() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known() {
		return nil
	}
	if p.err != nil && time.Since(p.tried) < retryPreflight {
		return p.err
	}
	began := time.Now()
	err := p.attempt(ctx, func() { p.ready.Store(true) }) // what is left to do then holds up no session
	if ctx.Err() != nil {
		return context.Cause(ctx) // it says nothing about the machine
	}
	p.tried = time.Now()
	switch {
	case err != nil && p.known():
		p.log.WarnContext(ctx, "what was tried out is left behind", "error", err)
	case err != nil:
		refusal := store.Unavailable("Session backend is not available: %s", err)
		if p.err == nil || p.err.Error() != refusal.Error() {
			p.log.ErrorContext(ctx, "sessions cannot run", "error", err)
		}
		p.err = refusal
		return p.err
	}
	p.log.DebugContext(ctx, "sessions can run", "took", time.Since(began).Round(time.Millisecond).String())
	p.err = nil
	return nil
}
