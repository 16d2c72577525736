package shim

import "golang.org/x/sys/unix"

// current are the sessions of which something is left.
func (s *shim) current() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*session, 0, len(s.sessions))
	for _, sess := range s.sessions {
		out = append(out, sess)
	}
	return out
}

// inUse says whether the Sprite has sessions, or else processes whose supervisor was killed from inside, which belong to none.
func (s *shim) inUse() (sessions, strays bool) {
	if len(s.current()) > 0 {
		return true, false
	}
	n, err := s.machine.others()
	return false, err == nil && n > 0
}

// tell shows every session of the Sprite a line of ours, also those whose command has just begun.
func (s *shim) tell(text string) {
	s.starting.Lock()
	defer s.starting.Unlock()
	for _, sess := range s.current() {
		sess.tell("aod: " + text)
	}
}

// killAll kills everything that sessions have started.
func (s *shim) killAll() {
	for _, sess := range s.current() {
		_ = sess.signal(unix.SIGKILL)
	}
}
