package tests

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-on-demand/aod/server"
)

// keyed makes a request that bears an Idempotency-Key.
func (a *api) keyed(key, path, body string) reply {
	a.t.Helper()
	return a.call("POST", path, body, "Idempotency-Key", key)
}

// replayed reports whether an answer says that it was given before.
func (r reply) replayed() bool { return r.header.Get("Idempotency-Replayed") == "true" }

// 13.3: a request with a key is done once and answered the same each time.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) { c.MaxSessions = 1 })
	a.promise("13.3 every POST that makes something is replayed byte for byte", func(a *api) {
		agent := `{"name":"once","runtime":"shell"}`
		session := `{"agent_id":"` + a.shell() + `","prompt":"exit 0"}`
		var id string
		for _, request := range [][2]string{{"/agents", agent}, {"/environments", `{"name":"once","env_vars":{"A":"1"}}`}, {"/sessions", session}, {"/sessions/%s/prompt", `{"prompt":"exit 0"}`}} {
			path := request[0]
			if strings.Contains(path, "%s") {
				path = fmt.Sprintf(path, id)
				a.stream(id).rest()
			}
			first := a.keyed("k", path, request[1])
			again := a.keyed("k", path, request[1])
			if first.replayed() || !again.replayed() || first.status != again.status || first.status >= 300 || first.body != again.body {
				a.t.Errorf("%s: first %d %s again %d %s", path, first.status, first.body, again.status, again.body)
			}
			if again.header.Get("Content-Type") != "application/json" || again.header.Get("X-Request-Id") == first.header.Get("X-Request-Id") {
				a.t.Errorf("%s: header %v", path, again.header)
			}
			id = first.text("id")
		}
		var turns struct{ Data []any }
		if a.get("/sessions/" + id + "/turns").into(&turns); len(turns.Data) != 2 {
			a.t.Errorf("%d turns", len(turns.Data))
		}
		a.stream(id).rest()
	})
	a.promise("13.3 a prompt is replayed whatever the session is doing by then", func(a *api) {
		session, _ := a.run("exit 0")
		first := a.keyed("p", "/sessions/"+session+"/prompt", `{"prompt":"sleep 1000"}`).want(202)
		a.stream(session).until(func(ev event) bool { return ev.Stage == "runtime_start" })
		if again := a.keyed("p", "/sessions/"+session+"/prompt", `{"prompt":"sleep 1000"}`); again.body != first.body || !again.replayed() {
			a.t.Errorf("again %d %s", again.status, again.body)
		}
		a.post("/sessions/"+session+"/terminate", "").want(200)
	})
	a.promise("13.3 the same key with another body is a 409", func(a *api) {
		a.keyed("other", "/agents", `{"name":"a","runtime":"shell"}`).want(201)
		a.keyed("other", "/agents", `{"name":"b","runtime":"shell"}`).detail(409, "Idempotency-Key was already used with a different request")
	})
	a.promise("13.3 a key belongs to one user and one path", func(a *api) {
		body := `{"name":"scoped","runtime":"shell"}`
		first := a.keyed("scope", "/agents", body).want(201)
		if b := a.anotherUser().keyed("scope", "/agents", body).want(201); b.replayed() || b.text("id") == first.text("id") {
			a.t.Errorf("another user: %s", b.body)
		}
		if env := a.keyed("scope", "/environments", body).want(201); env.replayed() {
			a.t.Errorf("another path: %s", env.body)
		}
	})
	a.promise("13.3 a bad key is a 422", func(a *api) {
		const msg = "Value error, Idempotency-Key must be 1 to 255 visible ASCII characters"
		for _, key := range []string{"", " ", "a b", "é", strings.Repeat("k", 256)} {
			a.keyed(key, "/agents", `{"name":"a","runtime":"shell"}`).problem("value_error", `["Idempotency-Key"]`, msg)
		}
		r, err := http.NewRequest("POST", a.url+"/agents", strings.NewReader(`{"name":"a","runtime":"shell"}`))
		if err != nil {
			a.t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer " + a.token}, "Idempotency-Key": {"a", "b"}}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			a.t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 422 {
			a.t.Errorf("two keys: %s", answer.Status)
		}
		for _, key := range []string{strings.Repeat("k", 255), "!~", `"quoted"`, "a%zz"} {
			a.keyed(key, "/agents", `{"name":"a","runtime":"shell"}`).want(201)
		}
	})
	a.promise("13.3 elsewhere the header is ignored", func(a *api) {
		a.call("GET", "/agents", "", "Idempotency-Key", "a b").want(200)
		agent := a.shell()
		for _, status := range []int{200, 409} {
			a.call("POST", "/agents/"+agent+"/archive", "", "Idempotency-Key", "archive").want(status)
		}
	})
	a.promise("13.3 a refusal is replayed too", func(a *api) {
		a.post("/environments", `{"name":"taken"}`).want(201)
		const refusal = "An active environment named 'taken' already exists"
		a.keyed("refused", "/environments", `{"name":"taken"}`).detail(409, refusal)
		var list struct{ Data []struct{ ID, Name string } }
		a.get("/environments").into(&list)
		for _, env := range list.Data {
			if env.Name == "taken" {
				a.delete("/environments/" + env.ID + "/delete").want(200)
			}
		}
		again := a.keyed("refused", "/environments", `{"name":"taken"}`)
		if again.detail(409, refusal); !again.replayed() {
			a.t.Error("it is not said that it is a replay")
		}
		bad := a.keyed("bad", "/agents", `{"name":1,"runtime":"shell","mcp_servers":["x"]}`).want(422)
		if again := a.keyed("bad", "/agents", `{"name":1,"runtime":"shell","mcp_servers":["x"]}`); again.body != bad.body || !again.replayed() {
			a.t.Errorf("first %s again %s", bad.body, again.body)
		}
	})
	a.promise("13.3 a 429 is not kept", func(a *api) {
		agent := a.shell()
		blocking := a.post("/sessions", `{"agent_id":"`+agent+`","prompt":"sleep 1000"}`).want(202).text("id")
		a.keyed("later", "/sessions", `{"agent_id":"`+agent+`","prompt":"true"}`).want(429)
		a.post("/sessions/"+blocking+"/terminate", "").want(200)
		if got := a.keyed("later", "/sessions", `{"agent_id":"`+agent+`","prompt":"true"}`).want(202); got.replayed() {
			a.t.Errorf("got %s", got.body)
		}
	})
	a.promise("13.3 a request that was not understood as a whole is not kept", func(a *api) {
		large := `{"name":"` + strings.Repeat("x", 9<<20) + `"}`
		a.keyed("large", "/environments", large).want(413)
		a.keyed("large", "/environments", `{"name":"not so large"}`).want(201)
	})
}

// 13.3: of several requests with one key that arrive at once, one is done and the
// others wait for its answer; it is still given after the server was killed.
func TestIdempotencyKeyAtOnceAndAfterKill(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	a := spawnIn(t, dir, os.Getuid())
	body := `{"agent_id":"` + a.shell() + `","prompt":"sleep 1000"}`
	const clients = 6
	six := func(a *api) (made int, answer string) {
		replies := atOnce(clients, func(int) reply { return a.keyed("at-once", "/sessions", body) })
		for _, r := range replies {
			if r.status != 202 || r.body != replies[0].body {
				t.Errorf("got %d %s, others %s", r.status, r.body, replies[0].body)
			}
			if !r.replayed() {
				made++
			}
		}
		return made, replies[0].body
	}
	made, first := six(a)
	if made != 1 {
		a.t.Errorf("%d of %d sessions are made", made, clients)
	}
	if err := a.signal(syscall.SIGKILL); err == nil {
		a.t.Fatal("not killed")
	}
	b := spawnIn(t, dir, os.Getuid())
	made, again := six(b)
	if made != 0 || again != first {
		a.t.Errorf("%d are made after the restart; first %s again %s", made, first, again)
	}
	var list struct{ Data []any }
	if b.get("/sessions").want(200).into(&list); len(list.Data) != 1 {
		a.t.Errorf("%d sessions", len(list.Data))
	}
}

// 13.3: killed at any moment, a server has made a session together with its answer
// or not at all: sent again, the request is done once.
func TestIdempotencyKeyOverKills(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	a := spawnIn(t, dir, os.Getuid())
	agent := a.shell()
	body := `{"agent_id":"` + agent + `","prompt":"true"}`
	const rounds = 4
	for round := range rounds {
		answered := make(chan struct{})
		for i := range 8 {
			go func() {
				r, err := http.NewRequest("POST", a.url+"/sessions", strings.NewReader(body))
				if err != nil {
					a.t.Error(err)
					return
				}
				r.Header = http.Header{"Authorization": {"Bearer " + a.token}, "Idempotency-Key": {fmt.Sprint(round, "-", i)}}
				if answer, err := http.DefaultClient.Do(r); err == nil { // else it was killed before it answered
					answer.Body.Close()
				}
				answered <- struct{}{}
			}()
		}
		for range round { // killed after this many answers
			<-answered
		}
		if err := a.signal(syscall.SIGKILL); err == nil {
			a.t.Fatal("not killed")
		}
		for range 8 - round {
			<-answered
		}
		a = spawnIn(t, dir, os.Getuid())
		for i := range 8 {
			a.keyed(fmt.Sprint(round, "-", i), "/sessions", body).want(202)
		}
	}
	var list struct{ Data []any }
	if a.get("/sessions").want(200).into(&list); len(list.Data) != 8*rounds {
		a.t.Errorf("%d sessions, want %d", len(list.Data), 8*rounds)
	}
}
