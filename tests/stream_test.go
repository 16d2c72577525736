package tests

import (
	"fmt"
	"strings"
	"testing"
)

// A reader gets exactly what comes after the row that it names, with the same
// bytes, from wherever it resumes; the header wins over the query.
func TestResumeContinuesExactlyThere(t *testing.T) {
	t.Parallel()
	a := start(t)
	session, all := a.run("for i in $(seq 50); do echo line $i; echo err $i >&2; done; printf '\\xc3'; sleep 0.01; printf '\\xa9 \\xff \\u2028'")
	if got := output(all, "stdout", 1); !strings.HasSuffix(got, "line 50\né \ufffd \u2028") {
		t.Errorf("stdout ends with %q", got[max(0, len(got)-40):])
	}
	full := a.raw(session)
	frames := strings.SplitAfter(full, "\n\n")
	if frames[0] != fmt.Sprintf("data: {\"type\": \"start\", \"runtime\": \"shell\", \"provider\": \"local\", \"session_id\": %q}\n\n", session) {
		t.Errorf("start is %q", frames[0])
	}
	if strings.ContainsFunc(full, func(r rune) bool { return r > '~' }) {
		t.Error("the stream is not ASCII")
	}
	id := 0
	for i, frame := range frames[1 : len(frames)-2] {
		if strings.HasPrefix(frame, "data: {\"type\": \"turn_start\"") {
			continue
		}
		id++
		if !strings.HasPrefix(frame, fmt.Sprintf("id: %d\n", id)) {
			t.Fatalf("frame %d is %q, want id %d", i, frame, id)
		}
	}
	for after := 0; after <= id; after++ {
		want := frames[0] + from(frames[1:], after)
		if got := a.raw(session, "Last-Event-ID", fmt.Sprint(after)); got != want {
			t.Fatalf("after %d: got\n%s\nwant\n%s", after, got, want)
		}
	}
	if got := a.call("GET", "/sessions/"+session+"/stream?since=1", "", "Last-Event-ID", fmt.Sprint(id)).body; got != frames[0]+from(frames[1:], id) {
		t.Errorf("the header does not win: %s", got)
	}
	if got := a.get("/sessions/" + session + "/stream?since=-5").body; got != full {
		t.Errorf("a negative cursor is not 0")
	}
	beyond := a.get("/sessions/" + session + "/stream?since=9999").body
	if want := frames[0] + "id: 9999\ndata: {\"type\": \"exit\", \"id\": 9999, \"code\": 0}\n\n"; beyond != want {
		t.Errorf("beyond the end: %s", beyond)
	}
}

// from returns the frames after a row as a resumed stream has them: the turn's
// first output is announced again.
func from(frames []string, after int) string {
	var b strings.Builder
	announced := false
	id := 0
	for _, frame := range frames {
		if strings.Contains(frame, `"turn_start"`) {
			continue
		}
		fmt.Sscanf(frame, "id: %d\n", &id)
		terminal := strings.Contains(frame, `"type": "exit"`)
		if id <= after && !terminal {
			continue
		}
		if strings.Contains(frame, `"type": "output"`) && !announced {
			announced = true
			fmt.Fprintf(&b, "data: {\"type\": \"turn_start\", \"id\": %d, \"turn\": 1}\n\n", id)
		}
		b.WriteString(frame)
	}
	return b.String()
}

// raw returns the bytes of a finished session's stream.
func (a *api) raw(session string, header ...string) string {
	a.t.Helper()
	return a.call("GET", "/sessions/"+session+"/stream", "", header...).want(200).body
}

func TestStreamRefusesBadCursors(t *testing.T) {
	t.Parallel()
	a := start(t)
	session, _ := a.run("true")
	for _, since := range []string{"abc", "1.5", ""} {
		a.get("/sessions/"+session+"/stream?since="+since).detail(400, "since must be an integer")
	}
	a.get("/sessions/"+session+"/stream?since=1&since=2").detail(400, "since must be an integer")
	a.call("GET", "/sessions/"+session+"/stream?since=1", "", "Last-Event-ID", "x").detail(400, "since must be an integer")
	a.get("/sessions/00000000-0000-4000-8000-000000000000/stream").detail(404, "Session not found")
}

// Every reader of a live session, whenever it comes, sees all of it.
func TestManyReadersSeeTheSame(t *testing.T) {
	t.Parallel()
	a := start(t)
	session := a.session("for i in $(seq 300); do echo line $i; done; sleep 0.05; for i in $(seq 300); do echo more $i; done")
	got := make(chan string)
	const readers = 20
	for range readers {
		stream := a.stream(session)
		go func() { got <- output(stream.rest(), "stdout", 1) }()
	}
	first := <-got
	for range readers - 1 {
		if next := <-got; next != first {
			t.Errorf("readers differ")
		}
	}
	if strings.Count(first, "\n") != 600 || !strings.HasSuffix(first, "more 300\n") {
		t.Errorf("%d lines", strings.Count(first, "\n"))
	}
}

// Much output is complete, in order, in rows of 16 KiB at most.
func TestMuchOutputIsComplete(t *testing.T) {
	t.Parallel()
	a := start(t)
	_, all := a.run("seq 200000")
	var want strings.Builder
	for i := range 200000 {
		fmt.Fprintln(&want, i+1)
	}
	if got := output(all, "stdout", 1); got != want.String() {
		t.Errorf("got %d bytes, want %d", len(got), want.Len())
	}
	for _, ev := range all {
		if len(ev.Data) > 16<<10 {
			t.Errorf("row %d has %d bytes", ev.Number, len(ev.Data))
		}
	}
}
