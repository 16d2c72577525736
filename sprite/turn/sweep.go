package turn

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/agent-on-demand/aod/store"
)

// Sweep says how a Supervisor looks for what nobody needs any more.
type Sweep struct {
	Every time.Duration // ten minutes if it is 0
	Idle  time.Duration // a completed session keeps its Sprite; for ever if it is 0
	Rows  time.Duration // a session that has ended keeps its rows; for ever if it is 0
}

const sweepEvery = 10 * time.Minute

// sweep compares, at once and then again and again, what the service has with what the
// store knows, and destroys what no session owns. A sweep that cannot read all of both
// does nothing and counts for nothing.
func (s *Supervisor) sweep() {
	tick := time.NewTicker(cmp.Or(s.Sweep.Every, sweepEvery))
	defer tick.Stop()
	var orphans map[string]bool
	for {
		found, err := s.sweepOnce(orphans)
		if found != nil {
			orphans = found
		}
		if err != nil {
			s.complain("sweep", "error", err)
		}
		if err := s.sweepCache(); err != nil {
			s.complain("sweep the environment cache", "error", err)
		}
		if err := s.sweepRows(); err != nil {
			s.complain("sweep old rows", "error", err)
		}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
	}
}

// sweepOnce returns the Sprites that no session owns, and dooms those of them that the
// last sweep has seen, too. It returns nil if it cannot tell.
func (s *Supervisor) sweepOnce(seen map[string]bool) (orphans map[string]bool, err error) {
	defer s.wakeDestroy()
	if orphans, err = s.orphans(); err != nil {
		return nil, err
	}
	for name := range orphans {
		if !seen[name] {
			continue
		}
		err := s.Store.Doom(s.ctx, name, s.sessionOf(name))
		if errors.Is(err, store.ErrTooLate) {
			continue
		}
		if err != nil {
			return orphans, fmt.Errorf("doom sprite %s: %w", name, err)
		}
		s.Log.Warn("destroying a sprite that no session owns", "sprite", name, "session_id", s.sessionOf(name))
	}
	return orphans, s.releaseIdle()
}

// orphans finds the Sprites of this deployment that no session owns and that nobody
// destroys yet. The order counts: what the service has when it is read, its session has
// noted before; what has been destroyed before, the service does not have.
func (s *Supervisor) orphans() (map[string]bool, error) {
	doomed, err := s.Store.Doomed(s.ctx)
	if err != nil {
		return nil, fmt.Errorf("read doomed sprites: %w", err)
	}
	prefix := s.spriteName("")
	names, err := s.Sprites.List(s.ctx, prefix)
	if err != nil {
		return nil, err
	}
	taken, err := s.Store.OwnedSprites(s.ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range doomed {
		taken[name] = true
	}
	orphans := map[string]bool{}
	for _, name := range names {
		session, ours := strings.CutPrefix(name, prefix)
		if ours && session != "" && !taken[name] && !s.working(session) {
			orphans[name] = true
		}
	}
	return orphans, nil
}

// working reports whether a worker may be using the session's Sprite.
func (s *Supervisor) working(session string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.workers[session] != nil
}

// releaseIdle takes their Sprites from sessions that have been completed for too long.
func (s *Supervisor) releaseIdle() error {
	if s.Sweep.Idle == 0 {
		return nil
	}
	sessions, err := s.Store.ReleaseIdle(s.ctx, s.Sweep.Idle)
	for _, session := range sessions {
		s.Log.Info("destroying the sprite of an idle session", "session_id", session)
	}
	return err
}

// sweepRows deletes the rows of sessions that ended long ago.
func (s *Supervisor) sweepRows() error {
	if s.Sweep.Rows == 0 {
		return nil
	}
	deleted, err := s.Store.PurgeRows(s.ctx, s.Sweep.Rows)
	if deleted > 0 {
		s.Log.Info("deleted old rows", "rows", deleted)
	}
	return err
}
