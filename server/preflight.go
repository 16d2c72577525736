package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/agent-on-demand/aod/store"
)

// retryPreflight is how long a failed attempt counts.
const retryPreflight = 5 * time.Second

// preflight finds out whether Sprites can run on this machine, by running one. Once
// one has run, they can; until then each attempt counts for a while, so what an
// operator puts right is noticed without a restart.
type preflight struct {
	attempt func(context.Context) error
	log     *slog.Logger

	mu    sync.Mutex // held during an attempt: others wait for its outcome
	ready bool
	tried time.Time
	err   error
}

// begin makes the first attempt in the background, so that its outcome is in the log
// and known when the first session is asked for. end waits for it.
func (p *preflight) begin(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { _ = p.check(ctx) }) // it logs what it finds
	return func() { cancel(); work.Wait() }
}

// check returns nil if Sprites can run, or a refusal that says why not and which
// command would help. A service, which has no preflight, says that for itself.
func (p *preflight) check(ctx context.Context) error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ready || p.err != nil && time.Since(p.tried) < retryPreflight {
		return p.err
	}
	began := time.Now()
	err := p.attempt(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx) // it says nothing about the machine
	}
	p.tried = time.Now()
	if err != nil {
		p.log.Error("sessions cannot run", "error", err)
		p.err = store.Unavailable("Session backend is not available: %s", err)
		return p.err
	}
	p.log.Debug("sessions can run", "took", time.Since(began).Round(time.Millisecond).String())
	p.ready, p.err = true, nil
	return nil
}
