package server

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/store"
)

// What agents cost over the network, at 1, 16 and 64 connections, and how that
// compares with a handler that does nothing but answer as many bytes.
func BenchmarkAgents(b *testing.B) {
	e := newEdge(b)
	var agent *store.Agent
	for range 100 {
		var err error
		if agent, err = e.store.CreateAgent(b.Context(), e.user, store.AgentSpec{Name: "a", Model: "local/bash", Runtime: "shell"}, nil); err != nil {
			b.Fatal(err)
		}
	}
	const body = `{"name":"x","model":"anthropic/claude-sonnet-4-6","runtime":"claude"}`
	for _, op := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"create", "POST", "/agents", body, 201},
		{"get", "GET", "/agents/" + agent.ID, "", 200},
		{"list", "GET", "/agents?limit=50", "", 200},
	} {
		size := len(e.call("GET", "/agents/"+agent.ID, "", "", nil).Body.Bytes())
		if op.name == "list" {
			size = len(e.call("GET", "/agents", "limit=50", "", nil).Body.Bytes())
		}
		for _, connections := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/%d", op.name, connections), func(b *testing.B) {
				took := e.load(b, connections, e.handler, op.method, op.path, op.body, op.status)
				answer := bytes.Repeat([]byte("x"), size)
				bare := e.load(b, connections, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body)
					w.WriteHeader(op.status)
					w.Write(answer)
				}), op.method, op.path, op.body, op.status)
				b.ReportMetric(float64(b.N)/took.Seconds(), "requests/s")
				b.ReportMetric(bare.Seconds()/took.Seconds(), "of-bare")
				b.ReportMetric(0, "ns/op") // of both together
			})
		}
	}
}

// load makes b.N requests over so many connections and returns how long they took.
func (e *edge) load(b *testing.B, connections int, handler http.Handler, method, path, body string, status int) time.Duration {
	server := httptest.NewServer(handler)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var made atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range connections {
		wg.Go(func() {
			for made.Add(1) <= int64(b.N) {
				r, err := http.NewRequest(method, server.URL+path, bytes.NewReader([]byte(body)))
				if err != nil {
					b.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+e.token)
				answer, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if err != nil || answer.StatusCode != status {
					b.Errorf("status %d: %v", answer.StatusCode, err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}
