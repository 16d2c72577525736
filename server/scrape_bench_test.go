package server

import (
	"database/sql"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/agent-on-demand/aod/store"
)

// What Prometheus costs where there are 100000 sessions, and 1000 readers of one of them.
func BenchmarkScrape(b *testing.B) {
	e := newEdge(b)
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(e.dir, "aod.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
		INSERT INTO sessions (id, user_id, agent_version, environment_version, runtime, model, status, resources, runtime_session_id, sprite, turn_count, created_at, updated_at)
		SELECT i, ?, 1, 0, 'shell', 'local/bash', iif(i % 100 = 0, 'completed', 'terminated'), '[]', i, iif(i % 100 = 0, 'aod-12345678-' || i, ''), 1, i, i FROM n`, e.user)
	if err != nil {
		b.Fatal(err)
	}
	e.metrics.Watch(e.store, e.hub, nil)
	for i := range 1000 {
		reader := e.hub.Read("100000", int64(i))
		defer reader.Close()
	}
	for _, operation := range []string{"createSession", "getSession", "listSessions", "promptSession", "streamSession"} {
		for _, status := range []int{200, 404, 500} {
			e.metrics.Request(operation, "GET", status, 0)
		}
	}
	for i := range 5 {
		e.metrics.TurnEnded("runtime "+strconv.Itoa(i), "completed", 0)
		e.metrics.StageEnded(store.StageCreateSprite, "runtime "+strconv.Itoa(i), "done", 0)
	}
	handler := e.metrics.Handler(slog.New(slog.DiscardHandler))
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		if w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}

// What it costs to tell the metrics of a request.
func BenchmarkCount(b *testing.B) {
	e := newEdge(b)
	b.ReportAllocs()
	for b.Loop() {
		e.metrics.Request("getSession", "GET", 200, 0)
	}
}
