package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/agent-on-demand/aod/gen"
	"github.com/agent-on-demand/aod/server/hub"
	"github.com/agent-on-demand/aod/store"
)

const (
	heartbeatEvery = 15 * time.Second  // SDKs give up on a silent connection
	staleAfter     = 600 * time.Second // without a new row
	writeTimeout   = time.Minute       // a client that takes nothing for so long is gone
	partingTimeout = 2 * time.Second   // the same when the server stops
	flushSize      = 64 << 10          // bytes gathered before they are written
)

// StreamSession answers with the session's events, as they are stored and then as
// they come.
func (s *Server) StreamSession(ctx context.Context, r gen.StreamSessionRequestObject) (gen.StreamSessionResponseObject, error) {
	session, err := s.store.Session(ctx, user(ctx), r.SessionID)
	if err != nil {
		return nil, err
	}
	after, err := cursor(r.Params.LastEventID, r.Params.Since)
	if err != nil {
		return nil, err
	}
	return &stream{server: s, ctx: ctx, session: session, last: after}, nil
}

// stream is one connection's view of a session.
type stream struct {
	server  *Server
	ctx     context.Context
	session *store.Session
	last    int64 // id of the last row written, or the cursor
	turn    int   // of the last output written

	w    http.ResponseWriter
	rc   *http.ResponseController
	buf  *bytes.Buffer // what is to be written; nil while there is nothing
	idle *time.Timer   // fires when no row has come for staleAfter
}

// buffers are those of all streams: one that waits has none.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

var errSlow = errors.New("the client takes nothing")

// VisitStreamSessionResponse writes events until the session's end, the client's
// or the server's.
func (s *stream) VisitStreamSessionResponse(w http.ResponseWriter) error {
	s.w, s.rc = w, http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	s.event(0, fmt.Sprintf(`{"type": "start", "runtime": %q, "provider": %q, "session_id": %q}`,
		s.session.Runtime, provider(s.session), s.session.ID))
	if err := s.flush(); err != nil {
		return nil // the client is gone already
	}
	defer context.AfterFunc(s.server.stopping, func() { _ = s.hurry() })() // an error is the write's, too
	reader := s.server.hub.Read(s.session.ID, s.last)
	defer reader.Close()
	if err := s.follow(reader); err != nil && s.ctx.Err() == nil && !errors.Is(err, errSlow) {
		return fmt.Errorf("stream session: %w", err) // too late for an answer, not for the log
	}
	return nil
}

// follow writes rows until there is nothing more to come.
func (s *stream) follow(reader *hub.Reader) error {
	s.idle = time.NewTimer(staleAfter)
	defer s.idle.Stop()
	heartbeat := time.NewTicker(heartbeatEvery)
	defer heartbeat.Stop()
	for {
		ended, err := s.catchUp(reader)
		if err != nil || ended {
			return err
		}
		select {
		case <-reader.Wait():
		case <-heartbeat.C:
			s.buffer().WriteString(": heartbeat\n\n")
			if err := s.flush(); err != nil {
				return err
			}
		case <-s.idle.C:
			s.event(s.last, fmt.Sprintf(`{"type": "stale", "id": %d, "message": "No output for %.0fs"}`, s.last, staleAfter.Seconds()))
			return s.flush()
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-s.server.stopping.Done():
			return nil
		}
	}
}

// catchUp writes all rows that there are, and the terminal event after them if
// the session had come to its end before the last of them was read.
func (s *stream) catchUp(reader *hub.Reader) (ended bool, err error) {
	var status store.Status // final, if it is known
	var code *int
	ask := false // again, since rows came after a final status
	for {
		frames, err := reader.Next(s.ctx)
		if err != nil {
			return false, err
		}
		if err := s.write(frames); err != nil {
			return false, err
		}
		if len(frames) > 0 {
			ask, status = ask || status != "", "" // rows after a status may mean another one
			continue
		}
		if err := s.flush(); err != nil {
			return false, err
		}
		if status != "" {
			s.terminal(status, code)
			return true, s.flush()
		}
		if !reader.StatusChanged() && !ask {
			return false, nil
		}
		ask = false
		status, code, err = s.server.store.SessionEnd(s.ctx, s.session.ID)
		if refusal := (*store.Error)(nil); errors.As(err, &refusal) {
			return true, nil // deleted: there is nothing to say any more
		}
		if err != nil {
			return false, err
		}
		if !status.Final() {
			return false, nil
		}
	}
}

// write puts frames out, each turn's first output with the event that announces
// the turn.
func (s *stream) write(frames []store.Frame) error {
	for _, f := range frames {
		if f.Turn > 0 && f.Turn != s.turn {
			s.turn = f.Turn
			fmt.Fprintf(s.buffer(), "data: {\"type\": \"turn_start\", \"id\": %d, \"turn\": %d}\n\n", f.ID, f.Turn)
		}
		s.buffer().Write(f.Data)
		s.last = f.ID
		if s.buf.Len() >= flushSize {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	if len(frames) > 0 {
		s.idle.Reset(staleAfter)
	}
	return nil
}

func (s *stream) terminal(status store.Status, code *int) {
	switch {
	case status == store.StatusTerminated:
		s.event(s.last, fmt.Sprintf(`{"type": "terminated", "id": %d, "message": "Session terminated"}`, s.last))
	case code == nil:
		s.event(s.last, fmt.Sprintf(`{"type": "error", "id": %d, "message": "Session failed"}`, s.last))
	default:
		s.event(s.last, fmt.Sprintf(`{"type": "exit", "id": %d, "code": %d}`, s.last, *code))
	}
}

// event adds a computed event; one with id 0 has no id line.
func (s *stream) event(id int64, data string) {
	if id != 0 {
		fmt.Fprintf(s.buffer(), "id: %d\n", id)
	}
	fmt.Fprintf(s.buffer(), "data: %s\n\n", data)
}

// buffer is where what is to be written gathers.
func (s *stream) buffer() *bytes.Buffer {
	if s.buf == nil {
		s.buf = buffers.Get().(*bytes.Buffer)
	}
	return s.buf
}

// flush writes what has gathered.
func (s *stream) flush() error {
	if s.buf == nil {
		return nil
	}
	defer func() {
		s.buf.Reset()
		buffers.Put(s.buf)
		s.buf = nil
	}()
	err := s.rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	if s.server.stopping.Err() != nil { // asked after the deadline is set: hurry comes before it or after this
		err = s.hurry()
	}
	if err != nil {
		return fmt.Errorf("set write deadline: %w", err)
	}
	if _, err := s.w.Write(s.buf.Bytes()); err != nil {
		return errSlow
	}
	if err := s.rc.Flush(); err != nil {
		return errSlow
	}
	return nil
}

// hurry gives a write that is under way little time to end.
func (s *stream) hurry() error { return s.rc.SetWriteDeadline(time.Now().Add(partingTimeout)) }
