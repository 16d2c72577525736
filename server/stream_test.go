package server

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-on-demand/aod/store"
)

const heartbeat = ": heartbeat\n\n"

// inBubble runs a test in a bubble, with a server of its own there. The store stays
// outside, with goroutines of its own: what writes to it goes through outside.
func inBubble(t *testing.T, do func(t *testing.T, e *edge, session string, outside func(func()))) {
	e := newEdge(t)
	session := e.session(t)
	e.write(t, session, "one")
	e.call("GET", "/agents", "", "", nil) // notes the token's use
	work, done := make(chan func()), make(chan struct{})
	defer close(work)
	go func() {
		for do := range work {
			do()
			done <- struct{}{}
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		e.serve(t, e.store)
		do(t, e, session, func(do func()) { work <- do; <-done })
	})
}

// A stream on which nothing happens has a heartbeat every 15 seconds and ends, as
// stale, 600 seconds after its last row; heartbeats do not count as rows.
func TestSilentStreamBeatsAndBecomesStale(t *testing.T) {
	inBubble(t, func(t *testing.T, e *edge, session string, outside func(func())) {
		path := "/sessions/" + session + "/stream"
		ended := make(chan string)
		go func() { ended <- e.call("GET", path, "", "", nil).Body.String() }()
		time.Sleep(300 * time.Second)
		var span store.Span
		outside(func() { span = e.write(t, session, "two") })
		e.hub.Publish(session, span.After, span.Frames...) // the 600 seconds begin anew
		time.Sleep(599 * time.Second)
		synctest.Wait()
		select {
		case text := <-ended:
			t.Fatalf("it ended too early: %s", text)
		default:
		}
		began := time.Now()
		text := <-ended
		if late := time.Since(began); late != time.Second {
			t.Errorf("it ended %v late", late-time.Second)
		}
		if got := strings.Count(text, heartbeat); got != 899/15 && got != 900/15 {
			t.Errorf("%d heartbeats", got)
		}
		const stale = "id: 2\ndata: {\"type\": \"stale\", \"id\": 2, \"message\": \"No output for 600s\"}\n\n"
		if !strings.HasSuffix(text, stale) {
			t.Errorf("it ended %q", text[max(0, len(text)-200):])
		}
		if status, _, err := e.store.SessionEnd(t.Context(), session); err != nil || status != "pending" {
			t.Errorf("the session is %s: %v", status, err)
		}
	})
}

// Without a row the stale event has the cursor's id.
func TestStaleStreamWithoutRowsHasTheCursorsID(t *testing.T) {
	for cursor, want := range map[string]string{
		"since=7": "id: 7\ndata: {\"type\": \"stale\", \"id\": 7, \"message\": \"No output for 600s\"}\n\n",
	} {
		inBubble(t, func(t *testing.T, e *edge, session string, _ func(func())) {
			text := e.call("GET", "/sessions/"+session+"/stream", cursor, "", nil).Body.String()
			if !strings.HasSuffix(text, want) {
				t.Errorf("%s: it ended %q", cursor, text[max(0, len(text)-200):])
			}
		})
	}
}

// When the server stops, its streams end without a terminal event: clients come back.
func TestStreamsEndWithTheServer(t *testing.T) {
	inBubble(t, func(t *testing.T, e *edge, session string, _ func(func())) {
		ended := make(chan string)
		go func() { ended <- e.call("GET", "/sessions/"+session+"/stream", "", "", nil).Body.String() }()
		synctest.Wait()
		e.stop()
		if text := <-ended; !strings.HasSuffix(text, "\"data\": \"one\", \"turn\": 1}\n\n") {
			t.Errorf("it ended %q", text)
		}
	})
}
