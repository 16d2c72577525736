package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/server/hub"
	"github.com/agent-on-demand/aod/server/metrics"
	"github.com/agent-on-demand/aod/sprite/turn"
	"github.com/agent-on-demand/aod/store"
)

// edge is a server without a network and without Sprites.
type edge struct {
	*Server
	token string
	user  string
	dir   string
}

func newEdge(t testing.TB) *edge {
	t.Helper()
	dir := t.TempDir()
	keys, err := store.KeyFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "aod.db"), Keys: keys, MaxSessions: 5})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	token, row, err := st.CreateToken(t.Context(), "u", "test", 0)
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{token: token.Reveal(), user: row.UserID, dir: dir}
	e.serve(t, st)
	return e
}

// serve puts a new server before the store.
func (e *edge) serve(t testing.TB, st *store.Store) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	readers := hub.New(st)
	turns := turn.New(turn.Options{Store: st, Readers: readers, Log: log, Available: (*preflight)(nil).check})
	s, err := newServer(parts{store: st, turns: turns, hub: readers, metrics: metrics.New("test"), runnable: (*preflight)(nil).known}, Config{Log: log, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	e.Server = s
}

// unhurried is an answer without deadlines.
type unhurried struct{ *httptest.ResponseRecorder }

func (unhurried) SetReadDeadline(time.Time) error  { return nil }
func (unhurried) SetWriteDeadline(time.Time) error { return nil }

// call makes a request as no client can be kept from making it.
func (e *edge) call(method, path, query, body string, header http.Header) *httptest.ResponseRecorder {
	w := unhurried{httptest.NewRecorder()}
	r := &http.Request{
		Method: method, URL: &url.URL{Path: path, RawQuery: query}, Header: header.Clone(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Host: "localhost",
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Authorization", "Bearer "+e.token)
	e.handler.ServeHTTP(w, r)
	return w.ResponseRecorder
}

// session makes a session whose first turn is pending.
func (e *edge) session(t testing.TB) string {
	t.Helper()
	agent, err := e.store.CreateAgent(t.Context(), e.user, store.AgentSpec{Name: "a", Model: "local/bash", Runtime: "shell"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	session, err := e.store.CreateSession(t.Context(), e.user, store.SessionSpec{AgentID: agent.ID, Timeout: 60}, func(*store.Agent) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return session.ID
}

// write adds rows of output to the session's first turn; readers are to be told.
func (e *edge) write(t testing.TB, session string, data ...string) store.Span {
	t.Helper()
	rows := make([]store.Row, len(data))
	for i := range rows {
		rows[i] = store.Row{Turn: 1, Stream: store.Stdout, Data: data[i]}
	}
	span, err := e.store.AppendRows(t.Context(), session, 1, store.Progress{}, rows...)
	if err != nil {
		t.Fatal(err)
	}
	return span
}

// end completes the session's first turn.
func (e *edge) end(t testing.TB, session string) {
	t.Helper()
	code := 0
	if _, err := e.store.EndTurn(t.Context(), session, 1, store.Outcome{Status: store.StatusCompleted, ExitCode: &code}); err != nil {
		t.Fatal(err)
	}
	e.hub.Wake(session)
}
