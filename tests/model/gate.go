package model

import "sync"

// Gate keeps answers back, so that a test may act in the middle of a turn.
type Gate struct {
	entered  chan struct{}
	released chan struct{}
	enter    func()
	release  func()
}

// Hold keeps back the answers to all main requests that arrive from now on. It
// replaces a Gate that was there before and releases it.
func (s *Server) Hold() *Gate {
	g := &Gate{entered: make(chan struct{}), released: make(chan struct{})}
	g.enter = sync.OnceFunc(func() { close(g.entered) })
	g.release = sync.OnceFunc(func() { close(g.released) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		s.gate.release()
	}
	s.gate = g
	return g
}

// Entered is closed when a request waits at the gate.
func (g *Gate) Entered() <-chan struct{} { return g.entered }

// Release lets go what waits and what arrives later.
func (g *Gate) Release() { g.release() }
