package tests

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// raw returns the bytes of a finished session's stream.
func (a *api) raw(session string, header ...string) string {
	a.t.Helper()
	return a.call("GET", "/sessions/"+session+"/stream", "", header...).want(200).body
}

// frames splits a stream.
func frames(stream string) []string {
	all := strings.SplitAfter(stream, "\n\n")
	return all[:len(all)-1] // nothing follows the last
}

const noInteger = "since must be an integer"

func TestCursor(t *testing.T) {
	t.Parallel()
	a := start(t)
	session, _ := a.run("for i in $(seq 20); do echo line $i; echo err $i >&2; done")
	full := a.raw(session)
	all := frames(full)
	rows := 0
	for _, frame := range all {
		fmt.Sscanf(frame, "id: %d\n", &rows)
	}
	path := "/sessions/" + session + "/stream"
	a.promise("9.1 a cursor gives exactly the rows after it, with the same bytes", func(a *api) {
		for after := 0; after <= rows; after++ {
			want := all[0] + from(all[1:], after)
			if got := a.raw(session, "Last-Event-ID", fmt.Sprint(after)); got != want {
				a.t.Fatalf("after %d: got\n%s\nwant\n%s", after, got, want)
			}
			if got := a.get(fmt.Sprint(path, "?since=", after)).body; got != want {
				a.t.Fatalf("since %d: got\n%s\nwant\n%s", after, got, want)
			}
		}
	})
	a.promise("9.1 absent, 0 and negative mean from the beginning", func(a *api) {
		for _, query := range []string{"", "?since=0", "?since=-5", "?since=-99999999999999999999", "?since=%2B0", "?other=1"} {
			if got := a.get(path + query).want(200).body; got != full {
				a.t.Errorf("%s: %s", query, got)
			}
		}
	})
	a.promise("9.1 what is no integer is a 400, before any byte of the stream", func(a *api) {
		for _, since := range []string{"abc", "1.5", "", "1e3", "0x1", "1_0", "%zz", "1&since=2", "18700000000000000000A", "%D9%A3"} {
			a.get(path+"?since="+since).detail(400, noInteger)
		}
		for _, id := range []string{"x", "1.5", "-"} {
			a.call("GET", path, "", "Last-Event-ID", id).detail(400, noInteger)
		}
	})
	a.promise("9.1 the header wins over the query unless it is empty", func(a *api) {
		last := all[0] + from(all[1:], rows)
		if got := a.call("GET", path+"?since=1", "", "Last-Event-ID", fmt.Sprint(rows)).body; got != last {
			a.t.Errorf("got %s", got)
		}
		if got := a.call("GET", path+"?since="+fmt.Sprint(rows), "", "Last-Event-ID", "").body; got != last {
			a.t.Errorf("an empty header: %s", got)
		}
		a.call("GET", path+"?since=1", "", "Last-Event-ID", "x").detail(400, noInteger)
		if got := a.call("GET", path+"?since=x", "", "Last-Event-ID", fmt.Sprint(rows)).want(200).body; got != last {
			a.t.Errorf("got %s", got)
		}
	})
	a.promise("9.1 beyond the end of a finished session there is start and the end, with the id that was sent", func(a *api) {
		want := all[0] + "id: 9999\ndata: {\"type\": \"exit\", \"id\": 9999, \"code\": 0}\n\n"
		if got := a.get(path + "?since=9999").body; got != want {
			a.t.Errorf("got %s", got)
		}
	})
	a.promise("9.1 beyond the end of an active session there are only later rows that exceed it", func(a *api) {
		id := a.session("echo up; sleep 0.2; for i in $(seq 5); do echo line $i; sleep 0.02; done")
		live := a.stream(id)
		seen := live.until(func(ev event) bool { return ev.Data == "up\n" })
		beyond := seen[len(seen)-1].Number + 3
		got := a.stream(id, "Last-Event-ID", fmt.Sprint(beyond)).rest()
		for _, ev := range got[1:] {
			if ev.Type == "output" && ev.Number <= beyond {
				a.t.Errorf("after %d came %+v", beyond, ev)
			}
		}
		if end := got[len(got)-1]; end.Type != "exit" {
			a.t.Errorf("ended with %+v", end)
		}
	})
	a.promise("9.1 an unknown session comes before a bad cursor", func(a *api) {
		a.get("/sessions/"+nobodys+"/stream?since=x").detail(404, "Session not found")
	})
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

func TestFraming(t *testing.T) {
	t.Parallel()
	a := start(t)
	session, events := a.run("echo one; echo two >&2; printf '\\xc3'; sleep 0.05; printf '\\xa9 \\xff \\u2028 \\u0085 \\x00\\x1b \"\\\\'; exit 3")
	got := a.call("GET", "/sessions/"+session+"/stream", "").want(200)
	a.promise("9.2 the answer has these headers", func(a *api) {
		for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"} {
			if value := got.header.Get(name); value != want {
				a.t.Errorf("%s: %q, want %q", name, value, want)
			}
		}
		a.call("GET", "/sessions/"+session+"/stream", "", "Accept", "application/json").want(200) // not negotiated
	})
	a.promise("9.2 a frame is an id line, a data line of ASCII and an empty line", func(a *api) {
		form := regexp.MustCompile(`\A(id: [1-9]\d*\n)?data: {"type": "[a-z_]+", .*}\n\n\z`)
		for _, frame := range frames(got.body) {
			if !form.MatchString(frame) || strings.ContainsFunc(frame, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' }) {
				a.t.Errorf("frame %q", frame)
			}
		}
	})
	a.promise("9.2 start and turn_start have no id line, all others have", func(a *api) {
		for _, ev := range events {
			if want := ev.Type != "start" && ev.Type != "turn_start"; (ev.ID != "") != want || want && ev.ID != fmt.Sprint(ev.Number) {
				a.t.Errorf("%+v", ev)
			}
		}
	})
	a.promise("9.3 events have these keys in this order", func(a *api) {
		want := map[string]string{
			"start": "type runtime provider session_id", "stage started": "type id stage state", "stage done": "type id stage state duration_ms", "turn_start": "type id turn",
			"output": "type id stream data turn", "exit": "type id code",
		}
		seen := map[string]bool{}
		for _, frame := range frames(got.body) {
			_, data, _ := strings.Cut(frame, "data: ")
			var ev event
			if err := json.Unmarshal([]byte(data), &ev); err != nil {
				a.t.Fatal(err)
			}
			kind := strings.TrimSpace(ev.Type + " " + ev.State)
			seen[kind] = true
			if got := keys(a.t, data); got != want[kind] {
				a.t.Errorf("%s has %s, want %s", kind, got, want[kind])
			}
		}
		if len(seen) != len(want) {
			a.t.Errorf("only %v", seen)
		}
	})
	a.promise("8.10 rows are numbered 1, 2, 3 without gaps", func(a *api) {
		next := int64(1)
		for _, ev := range events {
			if ev.Type == "stage" || ev.Type == "output" {
				if ev.Number != next {
					a.t.Fatalf("%+v, want id %d", ev, next)
				}
				next++
			}
		}
	})
	a.promise("8.10 characters that come in pieces are whole, and bytes that are none are U+FFFD", func(a *api) {
		if got := output(events, "stdout", 1); got != "one\né \ufffd \u2028 \u0085 \x00\x1b \"\\" {
			a.t.Errorf("got %q", got)
		}
		if got := output(events, "stderr", 1); got != "two\n" {
			a.t.Errorf("got %q", got)
		}
	})
	a.promise("8.10 much output is complete, in rows of 16 KiB at most", func(a *api) {
		_, all := a.run("seq 200000")
		var want strings.Builder
		for i := range 200000 {
			fmt.Fprintln(&want, i+1)
		}
		if got := output(all, "stdout", 1); got != want.String() {
			a.t.Errorf("got %d bytes, want %d", len(got), want.Len())
		}
		for _, ev := range all {
			if len(ev.Data) > 16<<10 {
				a.t.Errorf("row %d has %d bytes", ev.Number, len(ev.Data))
			}
		}
	})
}

func TestEnds(t *testing.T) {
	t.Parallel()
	a := start(t)
	last := func(all []event) event { return all[len(all)-1] }
	a.promise("9.3 the end is exit with the code, error without one, or terminated", func(a *api) {
		_, exited := a.run("exit 5")
		if end := last(exited); end.Type != "exit" || *end.Code != 5 || end.Number != exited[len(exited)-2].Number {
			a.t.Errorf("ended with %+v", end)
		}
		env := a.environment("failing", `,"setup_script":"false"`)
		id := a.in(a.shell(), "true", `,"environment_id":"`+env+`"`).want(202).text("id")
		failed := a.stream(id).rest()
		if end := last(failed); end.Type != "error" || end.Message != "Session failed" || end.Code != nil {
			a.t.Errorf("ended with %+v", end)
		}
		blocked := a.blocked()
		stream := a.stream(blocked)
		a.post("/sessions/"+blocked+"/terminate", "").want(200)
		if end := last(stream.rest()); end.Type != "terminated" || end.Message != "Session terminated" {
			a.t.Errorf("ended with %+v", end)
		}
	})
	a.promise("9.4 the end reflects the session of this moment, and there is none between turns", func(a *api) {
		session, _ := a.run("exit 0")
		a.post("/sessions/"+session+"/prompt", `{"prompt":"exit 4"}`).want(202)
		all := a.stream(session).rest()
		ends := 0
		for _, ev := range all {
			if ev.Type == "exit" || ev.Type == "error" || ev.Type == "terminated" {
				ends++
			}
		}
		if ends != 1 || *last(all).Code != 4 {
			a.t.Errorf("%d ends, the last %+v", ends, last(all))
		}
		a.post("/sessions/"+session+"/terminate", "").want(200)
		if end := last(a.stream(session).rest()); end.Type != "terminated" {
			a.t.Errorf("ended with %+v", end)
		}
	})
	a.promise("9.4 turn_start comes before the first output of each turn, on every connection, with the same id", func(a *api) {
		session, _ := a.run("echo a; echo b")
		a.post("/sessions/"+session+"/prompt", `{"prompt":"echo c"}`).want(202)
		all := a.stream(session).rest()
		var told []string
		for i, ev := range all {
			if ev.Type == "turn_start" {
				next := all[i+1]
				told = append(told, fmt.Sprint(ev.Turn))
				if next.Type != "output" || next.Number != ev.Number || next.Turn != ev.Turn {
					a.t.Errorf("%+v comes before %+v", ev, next)
				}
			}
		}
		if strings.Join(told, " ") != "1 2" {
			a.t.Errorf("turns %v", told)
		}
	})
	a.promise("9.5 after a failed provisioning there is turn_start, one line of stderr and error", func(a *api) {
		env := a.environment("fails", `,"setup_script":"exit 9"`)
		id := a.in(a.shell(), "true", `,"environment_id":"`+env+`"`).want(202).text("id")
		all := a.stream(id).rest()
		tail := all[len(all)-4:]
		if tail[0].State != "failed" || tail[1].Type != "turn_start" || tail[2].Data != "provision failed: Provisioning script failed: exit code 9\n" || tail[2].Stream != "stderr" || tail[3].Type != "error" {
			a.t.Errorf("got %+v", tail)
		}
	})
	a.promise("9.5 who comes late to a running session sees its backlog and then what comes", func(a *api) {
		id := a.session("echo early; sleep 0.3; echo late")
		a.stream(id).until(func(ev event) bool { return ev.Data == "early\n" })
		all := a.stream(id).rest()
		if got := output(all, "stdout", 1); got != "early\nlate\n" || all[0].Type != "start" || last(all).Type != "exit" {
			a.t.Errorf("got %q, %+v", got, last(all))
		}
	})
	a.promise("12 the final status is stored before the end is sent", func(a *api) {
		for range 10 {
			session, _ := a.run("true")
			a.get("/sessions/"+session).has("status", `"completed"`)
			if turn := a.turns(session)[0]; turn.Status != "completed" {
				a.t.Errorf("turn %+v", turn)
			}
		}
	})
	a.promise("9.4 any number of readers sees the same", func(a *api) {
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
				a.t.Errorf("readers differ")
			}
		}
		if strings.Count(first, "\n") != 600 || !strings.HasSuffix(first, "more 300\n") {
			a.t.Errorf("%d lines", strings.Count(first, "\n"))
		}
	})
}
