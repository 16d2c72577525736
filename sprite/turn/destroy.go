package turn

import "strings"

const destroyers = 4

// wakeDestroy makes destroy look for doomed Sprites.
func (s *Supervisor) wakeDestroy() {
	select {
	case s.doomed <- struct{}{}:
	default: // it has been told already
	}
}

// destroy ends the Sprites that nobody owns any more, each in a goroutine of its
// own: one that takes long holds up no other.
func (s *Supervisor) destroy() {
	s.wakeDestroy()
	places := make(chan struct{}, destroyers)
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.doomed:
		}
		names, err := s.Store.Doomed(s.ctx)
		if err != nil {
			s.complain("read doomed sprites", "error", err)
			s.work.Go(func() {
				if s.pause(firstRetry) {
					s.wakeDestroy()
				}
			})
		}
		for _, name := range names {
			if s.claim(name) {
				s.work.Go(func() { s.destroyOne(name, places) })
			}
		}
	}
}

// claim reports whether the caller shall destroy the Sprite: nobody else does, and
// no worker uses it. A worker's end wakes destroy.
func (s *Supervisor) claim(sprite string) bool {
	session, ours := strings.CutPrefix(sprite, s.spriteName(""))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.destroying[sprite] || ours && s.workers[session] != nil {
		return false
	}
	s.destroying[sprite] = true
	return true
}

// destroyOne tries until the service says that the Sprite is gone.
func (s *Supervisor) destroyOne(sprite string, places chan struct{}) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.destroying, sprite)
	}()
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		places <- struct{}{}
		err := s.Sprites.Destroy(s.ctx, sprite)
		if err == nil {
			err = s.Store.Forget(s.ctx, sprite)
		}
		<-places
		if err == nil {
			return
		}
		s.complain("destroy sprite", "sprite", sprite, "session_id", s.sessionOf(sprite), "error", err)
		if !s.pause(wait) {
			return
		}
	}
}

// complain logs what has gone wrong, unless it is only that the server stops.
func (s *Supervisor) complain(what string, details ...any) {
	if s.ctx.Err() == nil {
		s.Log.Error(what, details...)
	}
}

// spriteName names a session's Sprite, so that everybody who sees the Sprite
// knows whose it is.
func (s *Supervisor) spriteName(session string) string {
	return SpritePrefix(s.Store.Deployment()) + session
}

// sessionOf is the session that a Sprite of ours is named after.
func (s *Supervisor) sessionOf(sprite string) string {
	return strings.TrimPrefix(sprite, s.spriteName(""))
}

// SpritePrefix is how the names of a deployment's Sprites begin; the id of the session
// follows.
func SpritePrefix(deployment string) string { return "aod-" + deployment + "-" }
