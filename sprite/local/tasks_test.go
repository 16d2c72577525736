package local_test

import (
	"strings"
	"testing"
	"time"
)

// api asks the Sprite's own API from inside, with a client that every Sprite of these tests has.
const api = `api() { python3 - "$@" <<'END'
import http.client, socket, sys
c = http.client.HTTPConnection("sprite")
c.sock = socket.socket(socket.AF_UNIX)
c.sock.connect("/.sprite/api.sock")
c.request(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
r = c.getresponse()
print((str(r.status) + ' ' + r.read().decode()).strip())
END
}
`

// kept goes through what a Sprite sees at /.sprite.
func kept(t *testing.T, m *machine, name string) {
	t.Helper()
	got := m.sh(t, name, api+`cat /.sprite/policy/network.json; test -s /.sprite/version.txt && command -v sprite-env; bash -lc 'command -v sprite-env'
for f in /.sprite/new /.sprite/api.sock /.sprite/bin/sprite-env; do (echo x > $f) 2>/dev/null && echo $f written; done; rm -f /.sprite/api.sock 2>/dev/null && echo removed
PATH=/.sprite/bin:/none /bin/sh /.sprite/bin/sprite-env curl 2>&1; sprite-env other >/dev/null 2>&1; echo $?
api POST /v1/tasks '{"name":"b","expire":"1h"}' | cut -c 1-22; api POST /v1/tasks '{"name":"b","expire":3}' | cut -c 1-3; api PUT /v1/tasks/a '{"expire":60}' | cut -c 1-3
api PUT /v1/tasks '{"name":"a","expire":"300"}' | cut -c 1-3; api GET /v1/tasks | grep -o '"name":"."'; api GET /v1/tasks/a | cut -c 1-3; api GET /v1/tasks/c
for b in '{"name":"x","expire":"2h"}' '{"name":"x","expire":-1}' '{"expire":1}' '[]' '' '{"name":"x","expire":{}}'; do api POST /v1/tasks "$b" | cut -c 1-3; done
api DELETE /v1/tasks/a; api DELETE /v1/tasks/a | cut -c 1-3; api DELETE /v1/tasks/b; api GET /v1/other | cut -c 1-3`)
	want := `{"rules":[]}
/.sprite/bin/sprite-env
/.sprite/bin/sprite-env
sprite-env: there is no curl in this sprite; install it with: apt-get install curl
2
201 {"name":"b","start
409
200
200
"name":"a"
"name":"b"
200
404 {"error":"not_found","message":"task not found"}
400
400
400
400
400
400
204
404
204
404
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
	m.sh(t, "task", api+`api POST /v1/tasks '{"name":"t","expire":2}'`)
	init := initPid(t, m, "task")
	begun := time.Now()
	waitCold(t, m, "task") // when the task has expired
	if time.Since(begun) < time.Second {
		t.Error("the task did not keep the sprite")
	}
	m.sh(t, "task", api+`api POST /v1/tasks '{"name":"t","expire":"1h"}'`)
	if now := initPid(t, m, "task"); now == init {
		t.Error("the sprite was never cold")
	}
	m.sh(t, "task", api+`api DELETE /v1/tasks/t`)
	waitCold(t, m, "task")
}
