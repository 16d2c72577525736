package tests

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/server"
)

// nobodys is the id of no row at all.
const nobodys = "00000000-0000-4000-8000-000000000000"

// routes are the methods of every path of the document.
func routes(t *testing.T) map[string][]string {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			all[path] = append(all[path], method)
		}
		slices.Sort(all[path])
	}
	return all
}

// filled puts an id into a path.
func filled(path string) string {
	for _, name := range []string{"{agent_id}", "{environment_id}", "{session_id}"} {
		path = strings.ReplaceAll(path, name, nobodys)
	}
	return path
}

// raw sends bytes over a connection of their own and returns all that comes back.
func (a *api) dial(request string) string {
	a.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		a.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		a.t.Fatal(err)
	}
	if _, err := io.WriteString(c, strings.ReplaceAll(request, "TOKEN", a.token)); err != nil {
		a.t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(answer)
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	a := start(t)
	all := routes(t)
	a.promise("1.2 every other method is a 405 with Allow, also without a token where none is needed", func(a *api) {
		for path, methods := range all {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
				if slices.Contains(methods, method) {
					continue
				}
				got := a.call(method, filled(path), "")
				if got.want(405); method != "HEAD" {
					got.detail(405, "Method not allowed")
				}
				if allow := got.header.Get("Allow"); allow != strings.Join(methods, ", ") {
					a.t.Errorf("%s %s: Allow %q, want %v", method, path, allow, methods)
				}
			}
		}
		a.as("").call("POST", "/health", "").detail(405, "Method not allowed")
	})
	a.promise("1.2 who asks is checked before the method", func(a *api) {
		a.as("").call("PATCH", "/agents", "").detail(401, "Missing or invalid Authorization header")
		a.as("").delete("/agents/"+nobodys).detail(401, "Missing or invalid Authorization header")
	})
	a.promise("1.2 an unknown path is a 404 for anybody, never a redirect", func(a *api) {
		for _, path := range []string{
			"/", "/nothing", "/agents/", "/health/", "//agents", "/agents//", "/./agents", "/x/../agents", "/%61gents/x", "/agents%2f" + nobodys, "/agents/" + nobodys + "/", "/agents/" + nobodys + "/delete", "/v1/agents",
			"/sessions/" + nobodys + "/interrupt", "/" + strings.Repeat("x", 10_000), "/agents/%00", "/agents/é", "/AGENTS",
		} {
			a.get(path).detail(404, "Not found")
			a.as("").post(path, "{").detail(404, "Not found")
		}
	})
	a.promise("1.2 an id that is no lower-case UUID is a 404", func(a *api) {
		for path, methods := range all {
			for _, id := range []string{"not-a-uuid", strings.ToUpper("6d1f3c52-3f0e-4a52-9a55-2b1d5c1f7f1a"), nobodys[1:], nobodys + "0", nobodys + "%0a", "{" + nobodys + "}", strings.ReplaceAll(nobodys, "-", "")} {
				if !strings.Contains(path, "{") {
					continue
				}
				a.call(methods[0], strings.ReplaceAll(filled(path), nobodys, id), `{"version":1,"prompt":"x"}`).detail(404, "Not found")
			}
		}
	})
	a.promise("4 every route answers", func(a *api) {
		a.ready()
		for path, methods := range all {
			for _, method := range methods {
				if got := a.call(method, filled(path), `{}`); got.status == 405 || got.status >= 500 || got.status == 404 && strings.Contains(got.body, "Not found") {
					a.t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
				}
			}
		}
	})
	a.promise("8.9 interrupt is not offered", func(a *api) {
		a.post("/sessions/"+nobodys+"/interrupt", "").detail(404, "Not found")
	})
	a.promise("1 OPTIONS * is a path like any other", func(a *api) {
		if got := a.dial("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 404 ") || !strings.HasSuffix(got, `{"detail":"Not found"}`+"\n") {
			a.t.Errorf("got %s", got)
		}
	})
}

func TestTransport(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.promise("1 answers are JSON, without headers that nobody asked for", func(a *api) {
		for _, got := range []reply{a.get("/agents"), a.get("/nothing"), a.as("").get("/agents"), a.post("/agents", "{")} {
			if kind := got.header.Get("Content-Type"); kind != "application/json" {
				a.t.Errorf("content type %q", kind)
			}
			for _, name := range []string{"WWW-Authenticate", "Access-Control-Allow-Origin", "X-RateLimit-Limit", "Location", "Server"} {
				if value := got.header.Get(name); value != "" {
					a.t.Errorf("%s: %s", name, value)
				}
			}
		}
	})
	a.promise("1 the content type of a request is not looked at", func(a *api) {
		for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json; charset=latin1"} {
			a.call("POST", "/agents", `{"name":"any","runtime":"shell"}`, "Content-Type", kind).want(201)
		}
	})
	a.promise("1 a POST that takes no body ignores one, also a bad one", func(a *api) {
		for _, body := range []string{"", "{}", "{", "\xff", strings.Repeat("x", 100_000)} {
			a.post("/agents/"+a.agent("")+"/archive", body).want(200)
			session, _ := a.run("true")
			a.post("/sessions/"+session+"/terminate", body).want(200)
		}
	})
	a.promise("1 bodies of 8 MiB are taken, larger ones are a 413", func(a *api) {
		const limit = 8 << 20
		fill := func(size int) string {
			const head, tail = `{"name":"x","runtime":"shell","system":"`, `"}`
			return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
		}
		a.post("/agents", fill(limit)).want(201)
		a.post("/agents", fill(limit+1)).detail(413, "Request body is larger than 8 MiB")
	})
	a.promise("1 unknown query parameters are ignored", func(a *api) {
		a.get("/agents?x=1&x=2&%zz").want(422) // this one cannot be read
		a.get("/agents?x=1&x=2&y").want(200)
		a.get("/agents/" + a.agent("") + "?%zz;").want(200)
	})
	a.promise("1 ids are UUIDs of version 4", func(a *api) {
		id := a.agent("")
		if len(id) != 36 || id[14] != '4' || strings.ToLower(id) != id {
			a.t.Errorf("id %s", id)
		}
	})
	a.promise("1 an announced body that never comes is answered 408, and slow headers end the connection", func(a *api) {
		got := make(chan string, 2)
		go func() {
			got <- a.dial("POST /agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\nContent-Length: 100\r\n\r\n{")
		}()
		go func() { got <- a.dial("GET /agents HTTP/1.1\r\nHost: x\r\nX-Slow:") }()
		if headers := <-got; strings.Contains(headers, "200 OK") { // they time out first
			a.t.Errorf("slow headers: %s", headers)
		}
		if body := <-got; !strings.HasPrefix(body, "HTTP/1.1 408 ") || !strings.HasSuffix(body, "{\"detail\":\"Request body did not come within 30 seconds\"}\n") {
			a.t.Errorf("slow body: %s", body)
		}
	})
	a.promise("1 a body that is cut short changes nothing", func(a *api) {
		before := a.get("/agents").body
		c, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
		if err != nil {
			a.t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n%s", a.token, `{"name":"x","runtime":"shell"}`)
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			a.t.Fatal(err)
		}
		answer, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || !strings.HasSuffix(string(answer), `{"detail":"Invalid JSON"}`+"\n") {
			a.t.Errorf("got %s %v", answer, err)
		}
		c.Close()
		if after := a.get("/agents").body; after != before {
			a.t.Errorf("now there is %s", after)
		}
	})
	a.promise("1 bodies may come in chunks, and after 100 Continue", func(a *api) {
		const body = `{"name":"any","runtime":"shell"}`
		a.dialJSON("POST /agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n10\r\n"+body[:16]+"\r\n10\r\n"+body[16:]+"\r\n0\r\n\r\n", 201)
		a.dialJSON("POST /agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n", 400)
		answer := a.dial(fmt.Sprintf("POST /agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\nExpect: 100-continue\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body))
		if !strings.HasPrefix(answer, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ") {
			a.t.Errorf("got %s", answer)
		}
	})
	a.promise("1 large headers are refused", func(a *api) {
		got := a.dial("GET /agents HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 80<<10) + "\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 431 ") {
			a.t.Errorf("got %.200s", got)
		}
	})
}

// dialJSON sends bytes and fails the test unless the answer has that status and a
// JSON body.
func (a *api) dialJSON(request string, status int) {
	a.t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(strings.NewReader(a.dial(request))), nil)
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status || answer.Header.Get("Content-Type") != "application/json" {
		a.t.Errorf("got %s %s %v", answer.Status, body, err)
	}
}

func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	const origin = "https://app.example.com"
	a := start(t, func(c *server.Config) { c.CORSOrigins = []string{origin} })
	a.promise("1 CORS headers are for the origins that the operator lists", func(a *api) {
		allowed := a.call("GET", "/agents", "", "Origin", origin).want(200)
		for name, want := range map[string]string{"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "X-Request-Id,Idempotency-Replayed"} {
			if got := allowed.header.Get(name); got != want {
				a.t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if got := a.call("GET", "/agents", "", "Origin", "https://other.example.com").want(200); got.header.Get("Access-Control-Allow-Origin") != "" {
			a.t.Errorf("another origin: %v", got.header)
		}
	})
	a.promise("1 a browser may ask first, without a token", func(a *api) {
		asked := a.as("").call("OPTIONS", "/sessions", "", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,idempotency-key")
		if asked.want(204).header.Get("Access-Control-Allow-Methods") != "GET,POST,PUT,DELETE" || !strings.Contains(asked.header.Get("Access-Control-Allow-Headers"), "Idempotency-Key") {
			a.t.Errorf("got %v", asked.header)
		}
	})
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.promise("13.5 the caller's request id comes back if it is 1 to 128 visible ASCII characters", func(a *api) {
		for _, good := range []string{"mine-1", "~!", strings.Repeat("x", 128)} {
			for _, path := range []string{"/health", "/agents", "/nothing", "/agents/" + nobodys} {
				if got := a.call("GET", path, "", "X-Request-Id", good).header.Values("X-Request-Id"); len(got) != 1 || got[0] != good {
					a.t.Errorf("%s: got %q", path, got)
				}
			}
		}
	})
	a.promise("13.5 otherwise every answer has a new one", func(a *api) {
		seen := map[string]bool{}
		for _, bad := range []string{"", "with blank", strings.Repeat("x", 129), "é", "\t"} {
			got := a.call("GET", "/health", "", "X-Request-Id", bad).header.Get("X-Request-Id")
			if len(got) != 36 || seen[got] {
				a.t.Errorf("%q gives %q", bad, got)
			}
			seen[got] = true
		}
	})
}
