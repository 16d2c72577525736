package shim

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// session is a command of the Sprite and everything that it has started.
type session struct {
	id      string
	command Command
	argv    []string // as it is shown
	pid     int
	created time.Time
	machine *machine
	link    link // to the supervisor

	dir string // of the Sprite

	stdin   *os.File // or the terminal
	outputs []*pump
	journal *journal
	ended   chan struct{} // closed when the command's exit code is known
	gone    chan struct{} // closed when no process of the session is left

	broken sync.Once // output cannot be kept

	mu         sync.Mutex
	code       int
	lastOutput time.Time
	linger     *time.Timer
	told       map[string]bool
	past       account       // what the disk says at the end
	settled    chan struct{} // closed when that is written
}

// word is what a supervisor tells its session: first started or a refusal, then the exit code.
type word struct {
	Pid     int      `json:"pid,omitempty"`
	Refusal *Refusal `json:"refusal,omitempty"`
	Exit    *int     `json:"exit,omitempty"`
}

// wish is what a session tells its supervisor.
type wish struct {
	Signal int `json:"signal"`
}

// startSession starts the command and returns when it runs.
func startSession(id, dir string, c Command, m *machine) (*session, error) {
	near, far, err := newLink()
	if err != nil {
		return nil, err
	}
	defer far.Close()
	paper, err := commandFile(c)
	if err != nil {
		return nil, errors.Join(err, near.close())
	}
	defer paper.Close()
	s := &session{
		id: id, dir: dir, command: c, argv: shown(c.Argv), created: time.Now(), machine: m, link: near,
		ended: make(chan struct{}), gone: make(chan struct{}), settled: make(chan struct{}), told: map[string]bool{},
	}
	s.lastOutput = s.created
	theirs, err := s.openPipes()
	if err != nil {
		return nil, errors.Join(err, near.close())
	}
	recorded := make(chan error, 1)
	go func() { recorded <- s.record() }() // while the supervisor starts
	fds := []int{int(far.Fd()), int(paper.Fd())}
	for _, f := range theirs {
		fds = append(fds, int(f.Fd()))
	}
	if err = m.spawn(c.TTY, fds...); err != nil {
		err = &Refusal{ending, err.Error()} // nothing has been started
	}
	for _, f := range theirs {
		err = errors.Join(err, f.Close())
	}
	// Our copy of the far end must go, or the supervisor's end would never be seen.
	if err = errors.Join(err, far.Close()); err == nil {
		err = s.awaitStart()
	}
	if lost := <-recorded; lost != nil && err == nil {
		err = errors.Join(lost, near.send(wish{Signal: int(unix.SIGKILL)})) // the command runs already
	}
	if err != nil {
		s.closeFiles()
		s.erase()
		return nil, errors.Join(err, near.close())
	}
	return s, nil
}

// openPipes makes the standard files of a command without a terminal, and returns the command's ends.
func (s *session) openPipes() (theirs []*os.File, err error) {
	if s.command.TTY {
		return nil, nil
	}
	var ours []*os.File
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			for _, f := range append(ours, theirs...) {
				_ = f.Close()
			}
			return nil, fmt.Errorf("make pipe: %w", err)
		}
		if len(ours) == 0 {
			ours, theirs = append(ours, w), append(theirs, r)
		} else {
			ours, theirs = append(ours, r), append(theirs, w)
		}
	}
	s.stdin = ours[0]
	s.outputs = []*pump{newPump(s, frameStdout, ours[1]), newPump(s, frameStderr, ours[2])}
	return theirs, nil
}

// awaitStart waits for the supervisor's first word, and takes over the terminal that comes with it.
func (s *session) awaitStart() error {
	var w word
	fds, err := s.link.receive(&w)
	if err != nil {
		return errors.New("the supervisor ended early: the process limit of the sprite may be reached")
	}
	if w.Refusal != nil {
		closeAll(fds)
		return w.Refusal
	}
	s.pid = w.Pid
	if !s.command.TTY {
		closeAll(fds)
		return nil
	}
	if len(fds) != 1 {
		closeAll(fds)
		return errors.New("the supervisor sent no terminal")
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		closeAll(fds)
		return err
	}
	s.stdin = os.NewFile(uintptr(fds[0]), "ptmx")
	s.outputs = []*pump{newPump(s, frameStdout, s.stdin)}
	return nil
}

// watch carries output and news until no process of the session is left.
func (s *session) watch() {
	for _, p := range s.outputs {
		go p.run()
	}
	for {
		var w word
		fds, err := s.link.receive(&w)
		if err != nil {
			break
		}
		closeAll(fds) // none are meant to come
		if w.Exit != nil && !s.exited() {
			s.exit(*w.Exit)
		}
	}
	if !s.exited() {
		s.exit(128 + int(unix.SIGKILL)) // somebody inside killed the supervisor
	}
	close(s.gone)
	_ = s.link.close()
	<-s.settled
}

// exit notes the command's end, and settles the session once its output is complete.
func (s *session) exit(code int) {
	s.mu.Lock()
	s.code = code
	if s.linger != nil {
		s.linger.Stop()
	}
	s.mu.Unlock()
	close(s.ended)
	if !s.command.TTY {
		_ = s.stdin.Close()
	}
	for _, p := range s.outputs {
		p.finish()
	}
	go s.settle()
}

func (s *session) exited() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func (s *session) describe() Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Session{
		ID: s.id, Argv: s.argv, Dir: s.command.Dir, TTY: s.command.TTY, Pid: s.pid,
		Created: s.created, LastOutput: s.lastOutput, Exited: s.exited(),
	}
}

func (s *session) closeFiles() {
	if s.stdin != nil {
		_ = s.stdin.Close()
	}
	for _, p := range s.outputs {
		_ = p.f.Close()
	}
}
