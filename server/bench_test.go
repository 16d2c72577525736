package server

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/agent-on-demand/aod/store"
)

// What a request costs without the network: through all middleware, to the disk.
func BenchmarkRequests(b *testing.B) {
	e := newEdge(b)
	agent, err := e.store.CreateAgent(b.Context(), e.user, store.AgentSpec{Name: "a", Model: "local/bash", Runtime: "shell"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		if _, err := e.store.CreateEnvironment(b.Context(), e.user, store.EnvironmentSpec{Name: fmt.Sprint(i), Networking: unrestricted}, nil); err != nil {
			b.Fatal(err)
		}
	}
	var key atomic.Int64
	const body = `{"name":"x","runtime":"shell","system":"s","metadata":{"k":"v"}}`
	for _, request := range []struct {
		name   string
		status int
		do     func() int
	}{
		{"get agent", 200, func() int { return e.call("GET", "/agents/"+agent.ID, "", "", nil).Code }},
		{"create agent", 201, func() int { return e.call("POST", "/agents", "", body, nil).Code }},
		{"create agent, keyed", 201, func() int {
			return e.call("POST", "/agents", "", body, http.Header{headerKey: {strconv.FormatInt(key.Add(1), 10)}}).Code
		}},
		{"create agent, replayed", 201, func() int { return e.call("POST", "/agents", "", body, http.Header{headerKey: {"the-same"}}).Code }},
		{"list 1000 environments", 200, func() int { return e.call("GET", "/environments", "", "", nil).Code }},
		{"list 20 of them", 200, func() int { return e.call("GET", "/environments", "limit=20", "", nil).Code }},
		{"refuse a body", 422, func() int { return e.call("POST", "/agents", "", `{"name":1,"skills":[1]}`, nil).Code }},
	} {
		b.Run(request.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if got := request.do(); got != request.status {
						b.Errorf("status %d", got)
					}
				}
			})
		})
	}
}
