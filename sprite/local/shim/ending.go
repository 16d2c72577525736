package shim

import (
	"time"

	"golang.org/x/sys/unix"
)

// killGrace is how long the processes of a session may take to die before the whole Sprite is ended instead.
const killGrace = 10 * time.Second

// kill signals the session; with a timeout it insists.
func (s *session) kill(sig unix.Signal, timeout time.Duration) (Killed, error) {
	if err := s.signal(sig); err != nil {
		return Killed{}, err
	}
	k := Killed{Pid: s.pid}
	if timeout > 0 {
		select {
		case <-s.ended:
		case <-time.After(timeout):
			k.Forced = true
			if err := s.signal(unix.SIGKILL); err != nil {
				return Killed{}, err
			}
		}
	}
	if k.Forced || sig == unix.SIGKILL {
		<-s.gone
		<-s.ended
	}
	if s.exited() {
		s.mu.Lock()
		defer s.mu.Unlock()
		k.Exited, k.Code = true, s.code
	}
	return k, nil
}

// signal passes a signal to the command's process group, KILL to everything that it has started.
func (s *session) signal(sig unix.Signal) error {
	err := s.link.send(wish{Signal: int(sig)})
	select {
	case <-s.gone:
		return nil
	default:
	}
	if sig == unix.SIGKILL {
		t := time.AfterFunc(killGrace, s.machine.kill)
		go func() {
			<-s.gone
			t.Stop()
		}()
	}
	return err
}
