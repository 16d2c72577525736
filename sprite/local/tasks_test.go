package local_test

import (
	"strings"
	"testing"
	"time"
)

// api asks the Sprite's own API from inside: method, path and body in a line each, for as many requests as there are lines.
const api = `api() { python3 -c '
import http.client, socket, sys
for line in sys.stdin:
	method, path, body = (line.strip() + "  ").split(" ", 2)
	c = http.client.HTTPConnection("sprite")
	c.sock = socket.socket(socket.AF_UNIX)
	c.sock.connect("/.sprite/api.sock")
	c.request(method, path, body.strip() or None)
	r = c.getresponse()
	print((str(r.status) + " " + r.read().decode()).strip())
'; }
`

// kept goes through what a Sprite sees at /.sprite.
func kept(t *testing.T, m *machine, name string) {
	t.Helper()
	got := m.sh(t, name, api+`grep -c ' /.sprite ro,nosuid,nodev' /proc/self/mountinfo; cat /.sprite/policy/network.json; test -s /.sprite/version.txt && command -v sprite-env; bash -lc 'command -v sprite-env'
for f in /.sprite/new /.sprite/api.sock /.sprite/bin/sprite-env; do (echo x > $f) 2>/dev/null && echo $f written; done; rm -f /.sprite/api.sock 2>/dev/null && echo removed
PATH=/.sprite/bin:/none /bin/sh /.sprite/bin/sprite-env curl 2>&1; sprite-env other >/dev/null 2>&1; echo $?
api <<'END' | sed 's/,"started_at":"[^"]*","expires_at":"[^"]*"//g'
POST /v1/tasks {"name":"b","expire":"1h"}
POST /v1/tasks {"name":"b","expire":3}
PUT /v1/tasks/a {"expire":60}
PUT /v1/tasks {"name":"a","expire":"300"}
GET /v1/tasks
GET /v1/tasks/a
GET /v1/tasks/c
POST /v1/tasks {"name":"x","expire":"2h"}
POST /v1/tasks []
DELETE /v1/tasks/a
DELETE /v1/tasks/a
DELETE /v1/tasks/b
END`)
	want := `1
{"rules":[]}
/.sprite/bin/sprite-env
/.sprite/bin/sprite-env
sprite-env: there is no curl in this sprite; install it with: apt-get install curl
2
201 {"name":"b"}
409 {"error":"already_exists","message":"a task of this name exists"}
200 {"name":"a"}
200 {"name":"a"}
200 {"tasks":[{"name":"a"},{"name":"b"}]}
200 {"name":"a"}
404 {"error":"not_found","message":"task not found"}
400 {"error":"bad_request","message":"expire must be a duration like \"5m\", or seconds, up to 1h"}
400 {"error":"bad_request","message":"the body must be a JSON object like {\"name\":\"build\",\"expire\":\"5m\"}"}
204
404 {"error":"not_found","message":"task not found"}
204
`
	if got != want {
		t.Errorf("inside:\n%s", got)
	}
}

func TestSpriteSeesItsGuide(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "guide")
	kept(t, m, "guide")
	if got := m.sh(t, "guide", `command -v curl >/dev/null || exit 0; sprite-env curl -s -X POST /v1/tasks -d '{"name":"with spaces","expire":"1m"}' | grep -c 'with spaces' >&2; sprite-env curl -s http://sprite/v1/tasks`); got != "" && !strings.Contains(got, "with spaces") {
		t.Errorf("sprite-env: %q", got)
	}
}

func TestTaskKeepsASpriteWarm(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.Idle = 100 * time.Millisecond
	m := openWith(t, opts)
	m.create(t, "task")
	m.sh(t, "task", api+`echo 'POST /v1/tasks {"name":"t","expire":2}' | api`)
	init := initPid(t, m, "task")
	begun := time.Now()
	waitCold(t, m, "task") // when the task has expired
	if time.Since(begun) < time.Second {
		t.Error("the task did not keep the sprite")
	}
	m.sh(t, "task", api+`echo 'POST /v1/tasks {"name":"t","expire":"1h"}' | api`)
	if now := initPid(t, m, "task"); now == init {
		t.Error("the sprite was never cold")
	}
	m.sh(t, "task", api+`echo DELETE /v1/tasks/t | api`)
	waitCold(t, m, "task")
}
