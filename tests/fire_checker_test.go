package tests

import (
	"fmt"
	"strings"
)

// check compares what the turns of a session wrote with what each of its readers saw.
func (o *ordeal) check() {
	o.t.Helper()
	if !o.alike() {
		return
	}
	first := o.readers[0]
	for _, r := range o.readers[1:] {
		if len(r.rows) != len(first.rows) || r.end.Type != first.end.Type {
			o.t.Errorf("session %s: the %s reader saw %d rows and %q, the %s one %d and %q", o.id, r.name, len(r.rows), r.end.Type, first.name, len(first.rows), first.end.Type)
		}
	}
	if first.end.Type != "exit" || *first.end.Code != 0 {
		o.t.Errorf("session %s ended with %+v; its notes: %q", o.id, first.end, first.notes())
		return
	}
	for i, s := range o.scripts {
		o.same(i+1, "stdout", s.stdout.String())
		o.same(i+1, "stderr", s.stderr.String())
	}
	o.startedOnce()
	o.stored()
}

// alike fails the test unless all readers came to an end and saw the same rows. (Each has
// counted them.)
func (o *ordeal) alike() bool {
	o.t.Helper()
	ok := true
	first := o.readers[0]
	for _, r := range o.readers {
		if r.problem != nil {
			o.t.Errorf("session %s, %s reader: %v", o.id, r.name, r.problem)
			ok = false
		}
		for i := range min(len(r.rows), len(first.rows)) {
			if r.rows[i].raw != first.rows[i].raw {
				o.t.Errorf("session %s: row %d is %s for the %s reader and %s for the %s one", o.id, i+1, r.rows[i].raw, r.name, first.rows[i].raw, first.name)
				ok = false
				break
			}
		}
	}
	return ok
}

// same fails the test unless a turn's stream shows what the turn has written to it.
func (o *ordeal) same(turn int, stream, written string) {
	o.t.Helper()
	var b strings.Builder
	for _, r := range o.readers[0].rows {
		if r.Type == "output" && r.Turn == turn && r.Stream == stream {
			b.WriteString(r.Data)
		}
	}
	got, want := b.String(), shown(written)
	if got == want {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	around := func(text string) string { return text[max(0, min(at-40, len(text))):min(at+80, len(text))] }
	o.t.Errorf("session %s, turn %d, %s: %d bytes were written and %d seen; they differ at %d: written %q, seen %q",
		o.id, turn, stream, len(want), len(got), at, around(want), around(got))
}

// startedOnce fails the test unless each turn was started once, after all of
// provisioning. (That it ran once, the turn itself has shown in its output.)
func (o *ordeal) startedOnce() {
	o.t.Helper()
	starts, turn := 0, 0
	for _, r := range o.readers[0].rows {
		switch {
		case r.Stage == "runtime_start":
			starts++
		case r.Type == "output" && r.Turn != turn:
			if turn++; r.Turn != turn || starts != turn {
				o.t.Errorf("session %s: %s comes after turn %d and %d starts", o.id, r.raw, turn, starts)
			}
		case r.State == "failed":
			o.t.Errorf("session %s: %s", o.id, r.raw)
		}
	}
	if starts != len(o.scripts) {
		o.t.Errorf("session %s: %d turns were started %d times", o.id, len(o.scripts), starts)
	}
}

// stored fails the test unless the session's own record says the same.
func (o *ordeal) stored() {
	o.t.Helper()
	session := o.call("GET", "/sessions/"+o.id, "", "")
	if got, want := session.text("status")+session.field("exit_code")+session.field("turn_count"), fmt.Sprint("completed0", len(o.scripts)); got != want {
		o.t.Errorf("session %s is %s", o.id, session.body)
	}
	var turns struct {
		Data []struct {
			Status   string
			ExitCode *int `json:"exit_code"`
		}
	}
	o.call("GET", "/sessions/"+o.id+"/turns", "", "").into(&turns)
	for i, turn := range turns.Data {
		if turn.Status != "completed" || turn.ExitCode == nil || *turn.ExitCode != 0 {
			o.t.Errorf("session %s: turn %d is %+v", o.id, i+1, turn)
		}
	}
	if len(turns.Data) != len(o.scripts) {
		o.t.Errorf("session %s has %d turns", o.id, len(turns.Data))
	}
}

// notes are the lines that the server itself has put into the output: they are not
// numbered.
func (r *reader) notes() (notes []string) {
	for _, row := range r.rows {
		if row.Type == "output" && (strings.HasPrefix(row.Data, "turn ") || strings.HasPrefix(row.Data, "provision ")) {
			notes = append(notes, row.Data)
		}
	}
	return notes
}
