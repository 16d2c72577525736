package tests

import (
	"strings"
	"testing"
)

const nobodys = "00000000-0000-4000-8000-000000000000"

func TestWhoAsksIsCheckedFirst(t *testing.T) {
	t.Parallel()
	a := start(t)
	nobody := a.as("")
	nobody.get("/agents").detail(401, "Missing or invalid Authorization header")
	nobody.call("GET", "/agents", "", "Authorization", "bearer "+a.token).detail(401, "Missing or invalid Authorization header")
	nobody.call("GET", "/agents", "", "Authorization", "Bearer  "+a.token).detail(401, "Invalid API key")
	a.as("aod_nonsense").post("/agents", "not json").detail(401, "Invalid API key")
	nobody.call("PATCH", "/agents", "").detail(401, "Missing or invalid Authorization header")
	if got := nobody.get("/health").want(200); got.body != `{"status":"ok","version":"test","checks":{"store":"ok","encryption":"ok"}}`+"\n" {
		t.Errorf("health %s", got.body)
	}
}

func TestUnknownPathsAndMethodsAreAnsweredInJSON(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, path := range []string{"/", "/nothing", "/agents/", "/agents/not-a-uuid", "/agents/" + strings.ToUpper("6d1f3c52-3f0e-4a52-9a55-2b1d5c1f7f1a"), "/sessions/" + nobodys + "/interrupt"} {
		a.get(path).detail(404, "Not found")
	}
	a.post("/agents/not-a-uuid/archive", "").detail(404, "Not found")
	a.as("").get("/nothing").detail(404, "Not found")
	for path, allow := range map[string]string{
		"/agents": "GET, POST", "/agents/" + nobodys: "GET, PUT", "/health": "GET", "/sessions/" + nobodys + "/delete": "DELETE", "/sessions/" + nobodys + "/stream": "GET",
	} {
		for _, method := range []string{"PATCH", "OPTIONS", "HEAD"} {
			got := a.call(method, path, "")
			if method == "HEAD" {
				got.want(405)
			} else {
				got.detail(405, "Method not allowed")
			}
			if got.header.Get("Allow") != allow {
				t.Errorf("%s %s allows %q, want %q", method, path, got.header.Get("Allow"), allow)
			}
		}
	}
}

func TestBadBodiesAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, body := range []string{"", "{", "not json", `{"name":"x"} trailing`, "{\"name\":\"\xff\"}", strings.Repeat("[", 100000), `{"name":NaN}`, `{"name":"x","runtime":"shell","metadata":{"a":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}}`} {
		a.post("/agents", body).detail(400, "Invalid JSON")
	}
	for _, body := range []string{"[]", "1", `"x"`, "null", "true"} {
		a.post("/agents", body).problem("model_type", "[]", "Input should be a valid dictionary")
	}
	a.post("/agents", `{"name":"x","runtime":"shell","NAME":7,"Runtime":"cobol"}`).want(201)
	a.post("/agents", `{"name":7,"name":"x","runtime":"shell"}`).want(201)
	a.put("/agents/"+nobodys, `{"version":1e400}`).want(422)
	a.put("/agents/"+nobodys, `{"version":1.5}`).problem("int_from_float", `["version"]`, "Input should be a valid integer, got a number with a fractional part")
	a.put("/agents/"+nobodys, `{"version":"x"}`).problem("int_parsing", `["version"]`, "Input should be a valid integer, unable to parse string as an integer")
	a.put("/agents/"+nobodys, `{"version":2.0}`).detail(404, "Agent not found")
	a.put("/agents/"+nobodys, `{"version":99999999999999999999}`).want(422)
	a.post("/agents", `{"name":"`+strings.Repeat("é", 201)+`","runtime":"shell"}`).problem("string_too_long", `["name"]`, "String should have at most 200 characters")
	a.post("/agents", `{"name":"x","runtime":"shell","system":"`+strings.Repeat("x", 5<<20)+`"}`).want(201)
	a.post("/agents", `{"name":"x","runtime":"shell","system":"`+strings.Repeat("x", 9<<20)+`"}`).detail(413, "Request body is larger than 8 MiB")
}

func TestSomebodyElsesRowsAreMissing(t *testing.T) {
	t.Parallel()
	a := start(t)
	session, _ := a.run("true")
	agent := a.get("/sessions/" + session).text("agent_id")
	env := a.post("/environments", `{"name":"e"}`).want(201).text("id")
	other := a.anotherUser()
	other.get("/agents/"+agent).detail(404, "Agent not found")
	other.put("/agents/"+agent, `{"version":1,"name":"stolen"}`).detail(404, "Agent not found")
	other.get("/environments/"+env).detail(404, "Environment not found")
	other.delete("/environments/"+env+"/delete").detail(404, "Environment not found")
	for _, path := range []string{"", "/turns", "/stream"} {
		other.get("/sessions/"+session+path).detail(404, "Session not found")
	}
	other.post("/sessions/"+session+"/terminate", "").detail(404, "Session not found")
	other.post("/sessions/"+session+"/prompt", `{"prompt":"x"}`).detail(404, "Session not found")
	other.post("/sessions", `{"agent_id":"`+agent+`","prompt":"x"}`).detail(404, "Agent not found")
	for _, path := range []string{"/agents", "/environments", "/sessions"} {
		if got := other.get(path).want(200).body; got != "{\"data\":[]}\n" {
			t.Errorf("%s lists %s", path, got)
		}
	}
}

func TestRequestIDComesBackIfItIsDecent(t *testing.T) {
	t.Parallel()
	a := start(t)
	if got := a.call("GET", "/health", "", "X-Request-Id", "mine-1").header.Get("X-Request-Id"); got != "mine-1" {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{"", "with blank", strings.Repeat("x", 129)} {
		if got := a.call("GET", "/health", "", "X-Request-Id", bad).header.Get("X-Request-Id"); len(got) != 36 {
			t.Errorf("%q gives %q", bad, got)
		}
	}
}
