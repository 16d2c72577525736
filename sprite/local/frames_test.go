package local_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// conversation is an exec's WebSocket past the SDK, and what the host has said first.
type conversation struct {
	*websocket.Conn
	info map[string]any
}

func (m *machine) converse(t *testing.T, sprite, query string) conversation {
	t.Helper()
	d := websocket.Dialer{NetDialContext: m.reach, HandshakeTimeout: patience}
	ws, resp, err := d.DialContext(t.Context(), "ws://localhost/v1/sprites/"+sprite+"/exec?"+query, http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if got := resp.Header.Get("X-Sprite-Capabilities"); got != "signal" || resp.Header.Get("Sprite-Version") != "0.1.0" {
		t.Errorf("%s: headers %v", query, resp.Header)
	}
	t.Cleanup(func() { ws.Close() })
	if err := ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c := conversation{Conn: ws}
	kind, b, err := ws.ReadMessage()
	if err != nil || kind != websocket.TextMessage || json.Unmarshal(b, &c.info) != nil || c.info["type"] != "session_info" {
		t.Fatalf("the first frame is %d %q, %v", kind, b, err)
	}
	return c
}

// heard is what a host has said in an exec.
type heard struct {
	out, errs bytes.Buffer
	code      int
	biggest   int
}

// hear reads up to the exit. The frames have to be those of the kind of session.
func hear(t *testing.T, ws conversation, tty bool) *heard {
	t.Helper()
	h := &heard{}
	for {
		kind, b, err := ws.ReadMessage()
		switch {
		case err != nil:
			t.Fatalf("no exit: %v; %s%s", err, &h.out, &h.errs)
		case tty && kind == websocket.TextMessage:
			var m struct {
				Type string `json:"type"`
				Code int    `json:"exit_code"`
			}
			if err := json.Unmarshal(b, &m); err != nil || m.Type != "exit" {
				t.Fatalf("text %q", b)
			}
			h.code = m.Code
			return h
		case kind != websocket.BinaryMessage || len(b) == 0:
			t.Fatalf("frame %d %q", kind, b)
		case tty:
			h.out.Write(b)
		case b[0] == 1:
			h.out.Write(b[1:])
		case b[0] == 2:
			h.errs.Write(b[1:])
		case b[0] == 3 && len(b) == 2:
			h.code = int(b[1])
			return h
		default:
			t.Fatalf("stream %d", b[0])
		}
		h.biggest = max(h.biggest, len(b))
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "frames")
	sh := func(script string) string { return "cmd=sh&cmd=-c&cmd=" + url.QueryEscape(script) }
	for _, c := range []struct {
		query, out, errs string
		code             int
	}{
		{sh("echo out; echo err >&2; exit 7"), "out\n", "err\n", 7},
		{"path=/bin/sh&cmd=named&cmd=-c&cmd=" + url.QueryEscape("echo $0"), "named\n", "", 0},
		{"cmd[]=echo&cmd[]=old", "old\n", "", 0},
		{"cmd=cat", "", "", 0}, // no input, without a terminal
		{"cc=true&detachable=true&" + sh("echo x"), "x\n", "", 0},
		{"rows=1&cols=2&" + sh("echo no terminal"), "no terminal\n", "", 0},
		{"env=PATH=/usr/bin:/bin&env=X=a%3Db&cmd=env", "PATH=/usr/bin:/bin\nX=a=b\n", "", 0},
		{"tty=true&" + sh("stty size; tty -s && exit 7"), "24 80\r\n", "", 7},
		{"tty=true&rows=40&cols=132&" + sh("stty size; kill -TERM $$"), "40 132\r\n", "", 143},
		{"tty=true&rows=40&" + sh("stty size"), "40 80\r\n", "", 0},
		{"tty=true&stdin=false&" + sh("kill -KILL $$"), "", "", 137},
	} {
		tty := strings.HasPrefix(c.query, "tty")
		ws := m.converse(t, "frames", c.query)
		h := hear(t, ws, tty)
		if h.out.String() != c.out || h.errs.String() != c.errs || h.code != c.code {
			t.Errorf("%s: %q %q, exit %d", c.query, &h.out, &h.errs, h.code)
		}
		id, isText := ws.info["session_id"].(string)
		created, isNumber := ws.info["created"].(float64)
		if !isText || id == "" || !isNumber || time.Since(time.Unix(int64(created), 0)).Abs() > time.Minute || ws.info["is_owner"] != true || ws.info["tty"] != tty || ws.info["command"] == "" {
			t.Errorf("%s: %v", c.query, ws.info)
		}
	}
	h := hear(t, m.converse(t, "frames", sh("head -c 3000000 /dev/zero")), false)
	if h.out.Len() != 3000000 || h.biggest > 64<<10+1 {
		t.Errorf("%d bytes in frames of up to %d", h.out.Len(), h.biggest)
	}
}

// A client may send what the host does not know, say things twice, and hang up without a word.
func TestClientsMayBeOdd(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "odd")
	send := func(ws conversation, kind int, messages ...string) {
		t.Helper()
		for _, text := range messages {
			if err := ws.WriteMessage(kind, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	odd := []string{"not JSON", "[]", "null", `{"type":"nothing"}`, `{"type":"signal","signal":"NONE"}`, `{"type":"signal"}`, `{"type":"resize","rows":-1}`, `{"type":"resize","rows":5,"cols":6}`, `control:{"type":"op.start"}`}
	ws := m.converse(t, "odd", "stdin=true&cmd=sh&cmd=-c&cmd="+url.QueryEscape("cat; exit 5"))
	send(ws, websocket.TextMessage, odd...)
	send(ws, websocket.BinaryMessage, "", "\x00", "\x00one ", "\x07seven", "\x04more than the end", "\x00two", "\x04", "\x04", "\x00too late")
	if h := hear(t, ws, false); h.out.String() != "one two" || h.code != 5 {
		t.Errorf("%q %q, exit %d", &h.out, &h.errs, h.code)
	}
	send(ws, websocket.BinaryMessage, "\x00after the exit", "\x04")
	send(ws, websocket.TextMessage, odd...)
	send(ws, websocket.TextMessage, `{"type":"signal","signal":"KILL"}`)
	if err := ws.UnderlyingConn().Close(); err != nil {
		t.Error(err)
	}
	ws = m.converse(t, "odd", "cmd=sh&cmd=-c&cmd="+url.QueryEscape("echo ready; sleep 0.2; exit 6")) // stdin=false
	send(ws, websocket.BinaryMessage, "\x04", "\x00input", "\x04")
	if h := hear(t, ws, false); h.out.String() != "ready\n" || h.code != 6 {
		t.Errorf("%q %q, exit %d", &h.out, &h.errs, h.code)
	}
	ws = m.converse(t, "odd", "tty=true&cmd=sh&cmd=-c&cmd="+url.QueryEscape("stty -echo; echo ready; read x; echo $x; stty size"))
	for { // typed before, it would be echoed
		if _, b, err := ws.ReadMessage(); err != nil || string(b) == "ready\r\n" {
			break
		}
	}
	send(ws, websocket.TextMessage, `{"type":"resize","rows":50,"cols":100}`)
	send(ws, websocket.BinaryMessage, "", "typed\n")
	var all strings.Builder
	for {
		kind, b, err := ws.ReadMessage()
		if all.Write(b); err != nil || kind == websocket.TextMessage {
			break
		}
	}
	if got := all.String(); got != "typed\r\n50 100\r\n"+`{"exit_code":0,"type":"exit"}` {
		t.Errorf("terminal: %q", got)
	}
	// A message beyond all bounds ends its connection alone.
	ws = m.converse(t, "odd", "stdin=true&max_run_after_disconnect=0&cmd=cat")
	if err := ws.WriteMessage(websocket.BinaryMessage, make([]byte, 16<<20+1)); err == nil {
		for err == nil {
			_, _, err = ws.ReadMessage()
		}
	}
	m.until(t, "cat is not what is left", func() bool {
		list := m.sessions(t, "odd")
		return len(list) == 1 && (list[0].Command == "/usr/bin/cat" || list[0].Command == "cat")
	})
}

// Pings are answered while a command is silent, with what they carry.
func TestPingsAreAnswered(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "ping")
	answered := errors.New("answered")
	for _, want := range []string{"", "one", strings.Repeat("x", 125)} {
		ws := m.converse(t, "ping", "cmd=sleep&cmd=4721")
		ws.SetPongHandler(func(data string) error {
			if data != want {
				t.Errorf("pong %q instead of %q", data, want)
			}
			return answered
		})
		if err := ws.WriteControl(websocket.PingMessage, []byte(want), time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, b, err := ws.ReadMessage(); !errors.Is(err, answered) {
			t.Errorf("%q: %v", b, err)
		}
	}
}
