package turn

import (
	"strings"
	"sync"
	"time"
)

const destroyers = 4

// wakeDestroy makes destroy look for doomed Sprites.
func (s *Supervisor) wakeDestroy() {
	select {
	case s.doomed <- struct{}{}:
	default: // it has been told already
	}
}

// destroy ends the Sprites that nobody owns any more, and tries again until the
// service says that they are gone.
func (s *Supervisor) destroy() {
	s.wakeDestroy()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for wait := firstRetry; ; {
		select {
		case <-s.ctx.Done():
			return
		case <-s.doomed:
		case <-retry.C:
		}
		if s.destroyAll() {
			wait = firstRetry
			continue
		}
		retry.Reset(wait)
		wait = min(2*wait, lastRetry)
	}
}

// destroyAll reports whether nothing is left to try again. A Sprite that a worker
// still uses is not touched: the worker's end wakes destroy.
func (s *Supervisor) destroyAll() bool {
	names, err := s.Store.Doomed(s.ctx)
	if err != nil {
		s.complain("read doomed sprites", "error", err)
		return false
	}
	var (
		group   sync.WaitGroup
		places  = make(chan struct{}, destroyers)
		mu      sync.Mutex
		allGone = true
	)
	for _, name := range names {
		if s.working(name) {
			continue
		}
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			if err := s.destroyOne(name); err != nil {
				s.complain("destroy sprite", "sprite", name, "error", err)
				mu.Lock()
				defer mu.Unlock()
				allGone = false
			}
		})
	}
	group.Wait()
	return allGone
}

// complain logs what has gone wrong, unless it is only that the server stops.
func (s *Supervisor) complain(what string, details ...any) {
	if s.ctx.Err() == nil {
		s.Log.Error(what, details...)
	}
}

func (s *Supervisor) destroyOne(name string) error {
	if err := s.Sprites.Destroy(s.ctx, name); err != nil {
		return err
	}
	return s.Store.Forget(s.ctx, name)
}

// spriteName names a session's Sprite, so that everybody who sees the Sprite
// knows whose it is.
func (s *Supervisor) spriteName(session string) string {
	return "aod-" + s.Store.Deployment() + "-" + session
}

func (s *Supervisor) working(sprite string) bool {
	session, ours := strings.CutPrefix(sprite, s.spriteName(""))
	s.mu.Lock()
	defer s.mu.Unlock()
	return ours && s.workers[session] != nil
}
