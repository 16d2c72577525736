package shim

import (
	"errors"
	"io"
	"net"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// requestTime bounds how long a client may take over its request.
const requestTime = 30 * time.Second

// handle greets a client and serves its one request.
func (s *shim) handle(conn *net.UnixConn) error {
	if err := conn.SetDeadline(time.Now().Add(requestTime)); err != nil {
		return err
	}
	if err := writeJSON(conn, frameHello, hello{Protocol}); err != nil {
		return err
	}
	var q request
	if err := readJSON(conn, frameRequest, &q); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	switch {
	case q.Op == "exec" && q.Command != nil && len(q.Command.Argv) > 0:
		return s.exec(conn, *q.Command)
	case q.Op == "attach":
		return s.attach(conn, q.ID)
	case q.Op == "policy" && q.Policy != nil:
		return writeJSON(conn, frameReply, s.setPolicy(q.Policy))
	case q.Op == "list":
		return writeJSON(conn, frameReply, reply{Sessions: s.list()})
	case q.Op == "kill":
		return writeJSON(conn, frameReply, s.kill(q))
	default:
		return writeJSON(conn, frameReply, reply{Error: &Refusal{"bad_request", "unknown request " + strconv.Quote(q.Op)}})
	}
}

// exec starts a session and stays with its client until that is gone.
func (s *shim) exec(conn *net.UnixConn, c Command) error {
	sess, err := s.start(c)
	if err != nil {
		var refusal *Refusal
		if !errors.As(err, &refusal) {
			refusal = &Refusal{NotStarted, err.Error()}
		}
		return writeJSON(conn, frameReply, reply{Error: refusal})
	}
	cl := &client{session: sess, conn: conn}
	// The welcome comes before the watch, which closes the files of a command that is over already.
	end, err := cl.welcome()
	if err == nil && !c.Stdin && !c.TTY {
		_ = sess.stdin.Close()
	}
	go s.keep(sess)
	if err != nil {
		cl.leave()
		return err
	}
	cl.follow(end)
	return nil
}

// attach stays with another client of a session until that is gone.
func (s *shim) attach(conn *net.UnixConn, id string) error {
	s.mu.Lock()
	sess := s.sessions[id]
	s.mu.Unlock()
	if sess == nil {
		return writeJSON(conn, frameReply, reply{Error: &Refusal{NoSession, "session not found: " + id}})
	}
	cl := &client{session: sess, conn: conn}
	sess.stay()
	end, err := cl.welcome()
	if err != nil {
		cl.leave()
		return err
	}
	cl.follow(end)
	return nil
}

// start runs a command as a new session.
func (s *shim) start(c Command) (*session, error) {
	if err := s.guard.admit(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.nextID++
	id := strconv.FormatInt(s.nextID, 36)
	s.mu.Unlock()
	s.starting.RLock()
	defer s.starting.RUnlock()
	sess, err := startSession(id, s.cfg.Dir, s.cfg.adapt(c), s.machine)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.sessions[id] = sess
	s.mu.Unlock()
	s.guard.begin()
	return sess, nil
}

// keep watches a session until nothing of it is left.
func (s *shim) keep(sess *session) {
	sess.watch()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, sess.id)
	s.past.add(sess.past)
	s.rest()
}

func (s *shim) list() []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Session, 0, len(s.sessions))
	for _, sess := range s.sessions {
		out = append(out, sess.describe())
	}
	return out
}

func (s *shim) kill(q request) reply {
	s.mu.Lock()
	sess := s.sessions[q.ID]
	s.mu.Unlock()
	if sess == nil {
		return reply{Error: &Refusal{NoSession, "session not found: " + q.ID}}
	}
	sig := unix.Signal(q.Signal)
	if sess.exited() && sig != unix.SIGKILL {
		return reply{Error: over(q.ID)}
	}
	k, err := sess.kill(sig, q.Timeout)
	if err != nil {
		return reply{Error: &Refusal{NotStarted, err.Error()}}
	}
	return reply{Killed: &k}
}
