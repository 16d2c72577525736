package server

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/store"
)

// A cursor is one that the list has given, or it is refused.
func FuzzCursor(f *testing.F) {
	e := newEdge(f)
	for i := range 3 {
		if _, err := e.store.CreateEnvironment(f.Context(), e.user, store.EnvironmentSpec{Name: fmt.Sprint(i), Networking: unrestricted}, nil); err != nil {
			f.Fatal(err)
		}
	}
	var first struct {
		NextCursor string `json:"next_cursor"`
	}
	if err := json.Unmarshal(e.call("GET", "/environments", "limit=1", "", nil).Body.Bytes(), &first); err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{first.NextCursor, "", "x", first.NextCursor[1:], first.NextCursor + "\n", strings.Repeat("A", 64), "====", "\x00", "%", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		w := e.call("GET", "/environments", url.Values{"limit": {"1"}, "cursor": {cursor}}.Encode(), "", nil)
		want := 422
		if strings.NewReplacer("\n", "", "\r", "").Replace(cursor) == first.NextCursor { // base64 skips line ends
			want = 200
		}
		if w.Code != want || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q: %d %s", cursor, w.Code, w.Body)
		}
	})
}

// Whatever the query is, a list is answered or the query is refused.
func FuzzQuery(f *testing.F) {
	e := newEdge(f)
	for _, seed := range []string{
		"limit=1&cursor=x", "metadata[a]=1&metadata[a][b]=2", "metadata[a]=1&metadata[b]=%ff", "metadata[]=&metadata=", "status=running&status=x", "agent_id=", "limit=%zz;", "limit=+5", "a&&=;", "metadata[%00]=%00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/agents", "/environments", "/sessions"} {
			if w := e.call("GET", path, query, "", nil); w.Code != 200 && w.Code != 422 || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s?%s: %d %s", path, query, w.Code, w.Body)
			}
		}
	})
}

// A stream is resumed after the row that the header names, else the query; what is
// no integer is refused, and every integer is good.
func FuzzLastEventID(f *testing.F) {
	e := newEdge(f)
	const rows = 3
	session := e.session(f)
	e.write(f, session, "1", "2", "3")
	e.end(f, session)
	path := "/sessions/" + session + "/stream"
	for _, seed := range [][2]string{{"", "0"}, {"1", "x"}, {"-5", ""}, {"99999999999999999999999", ""}, {" 2 ", "1.5"}, {"+1", ""}, {"1_0", ""}, {"", "\x00"}, {"٣", ""}, {"0x1", ""}, {"-99999999999999999999999", "1"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, header, since string) {
		w := e.call("GET", path, url.Values{"since": {since}}.Encode(), "", http.Header{"Last-Event-Id": {header}})
		text := header
		if text == "" {
			text = since
		}
		id, isInteger := new(big.Int).SetString(strings.TrimSpace(text), 10)
		if !isInteger {
			if want := "{\"detail\":\"since must be an integer\"}\n"; w.Code != 400 || w.Body.String() != want {
				t.Errorf("%q %q: %d %s", header, since, w.Code, w.Body)
			}
			return
		}
		want := rows
		if id.Sign() > 0 && id.IsInt64() {
			want = max(0, rows-int(min(id.Int64(), rows)))
		} else if id.Sign() > 0 {
			want = 0
		}
		if got := strings.Count(w.Body.String(), `"type": "output"`); w.Code != 200 || got != want || !strings.Contains(w.Body.String(), `"type": "exit"`) {
			t.Errorf("%q %q: %d, %d rows, want %d", header, since, w.Code, got, want)
		}
	})
}

// Whatever the key and the bodies are: a good key is answered the same each time and
// refuses another body, a bad one is refused.
func FuzzIdempotencyKey(f *testing.F) {
	e := newEdge(f)
	for _, seed := range [][3]string{
		{"k", `{"name":"a"}`, `{"name":"b"}`}, {"", "", "x"}, {"a b", `{}`, `{}`}, {strings.Repeat("k", 256), `{"name":"a"}`, ""}, {"é", "", ""}, {"k\x00", "", ""}, {"'; --", `{"name":1}`, `[]`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	n := 0
	f.Fuzz(func(t *testing.T, key, body, other string) {
		visible := key != "" && len(key) <= 255 && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
		if n++; visible && len(key) < 240 {
			key += strconv.Itoa(n) // a key that no other run has used
		}
		header := http.Header{"Idempotency-Key": {key}}
		first, again := e.call("POST", "/environments", "", body, header), e.call("POST", "/environments", "", body, header)
		switch {
		case !visible:
			if first.Code != 422 || again.Header().Get("Idempotency-Replayed") != "" {
				t.Errorf("%q: %d %s", key, first.Code, first.Body)
			}
			return
		case first.Code >= 500, again.Code != first.Code, again.Body.String() != first.Body.String():
			t.Errorf("%q %q: first %d %s again %d %s", key, body, first.Code, first.Body, again.Code, again.Body)
		case again.Header().Get("Idempotency-Replayed") != "true" && len(key) < 250:
			t.Errorf("%q: not replayed", key)
		}
		if other != body && len(key) < 250 {
			if w := e.call("POST", "/environments", "", other, header); w.Code != 409 {
				t.Errorf("%q %q: %d %s", key, other, w.Code, w.Body)
			}
		}
	})
}
