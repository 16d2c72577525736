package local

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/agent-on-demand/aod/sprite/local/shim"
	"github.com/gorilla/websocket"
)

// buffers are lent to connections only while they write.
var buffers sync.Pool

var upgrader = websocket.Upgrader{
	ReadBufferSize:  4 << 10,
	WriteBufferSize: 4 << 10,
	WriteBufferPool: &buffers,
	CheckOrigin:     func(*http.Request) bool { return true }, // the token decides
}

// exec starts a command and bridges it to a WebSocket. Without an upgrade the path lists the sessions.
func (h *Host) exec(w http.ResponseWriter, r *http.Request) error {
	switch {
	case !websocket.IsWebSocketUpgrade(r):
		return h.listSessions(w, r)
	case r.URL.Query().Has("id"):
		return h.attach(w, r)
	}
	rec, err := h.load(r.PathValue("name"))
	if err != nil {
		return err
	}
	c, err := command(r.URL.Query())
	if err != nil {
		return err
	}
	p, err := h.run(r, rec, c)
	if err != nil {
		return err
	}
	if !c.Stdin && !c.TTY {
		_ = p.CloseStdin() // the command may have ended first
	}
	h.bridge(w, r, rec, &socket{process: p, input: c.Stdin || c.TTY, rows: c.Rows, cols: c.Cols})
	return nil
}

// run starts a command, and the Sprite if it is cold.
func (h *Host) run(r *http.Request, rec record, c shim.Command) (p *shim.Process, err error) {
	if err := h.room(0); err != nil {
		return nil, err
	}
	err = h.serve(r.Context(), rec, func() (err error) {
		p, err = shim.Exec(r.Context(), h.dir(rec.Name), c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("exec: %w", err)
	}
	return p, nil
}

// bridge upgrades the request and serves the process to the client.
func (h *Host) bridge(w http.ResponseWriter, r *http.Request, rec record, s *socket) {
	h.work.Add(1)
	defer h.work.Done()
	defer s.process.Close()
	s.eofTime = eofTime
	if r.URL.Query().Get("stdin") == "false" && strings.HasPrefix(r.UserAgent(), "Go-http-client/") { // sprites-go, which ends this input too
		s.eofTime = sureEOFTime
	}
	var err error
	s.ws, err = upgrader.Upgrade(w, r, http.Header{"Sprite-Version": {spriteVersion}, "X-Sprite-Capabilities": {"signal"}})
	if err != nil {
		return // answered by the upgrader; closing the process starts its linger time
	}
	if err := s.serve(h.ctx); err != nil {
		h.log.Debug("exec connection ended", "sprite", rec.Name, "exec", s.process.ID, "error", err)
	}
}

// attach joins a session, which may be over: the output that is kept comes first, from output_offset on, then what is new, then the exit.
// A refusal always has a body: clients take an empty 404 for an old host and try other forms.
func (h *Host) attach(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	id := r.PathValue("id")
	if id == "" {
		id = q.Get("id")
	}
	if !websocket.IsWebSocketUpgrade(r) {
		return badRequest("attaching to a session takes a WebSocket upgrade")
	}
	offset, err := number(q, "output_offset", 63)
	if err != nil {
		return err
	}
	input, err := flag(q, "stdin", true)
	if err != nil {
		return err
	}
	var p *shim.Process
	var rec record
	err = h.using(r, func(found record) (err error) {
		rec = found
		p, err = shim.Attach(r.Context(), h.dir(rec.Name), id, int64(offset))
		return err
	})
	if err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	if !input && p.Stdin != nil {
		_ = p.Stdin.Close() // a copy would keep the input open when its client ends it
		p.Stdin = nil
	}
	h.bridge(w, r, rec, &socket{process: p, input: p.Stdin != nil})
	return nil
}
