// Package pretty renders what the runtimes print for people: their texts as they are, a
// line for each tool that they use, and at the end what they say of time and cost.
//
// What agents print is not to be trusted: nothing that a Printer writes holds a control
// character but line feeds and tabs.
package pretty

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"
)

// lineLimit is how long a line of a runtime may be that is taken for JSON, in bytes.
const lineLimit = 16 << 20

// Printer renders the standard output of one runtime.
type Printer struct {
	w      *Cleaner
	format format // nil: the output is text already
	line   []byte // what has come of the present one
	inside bool   // the present line of our own output has begun
	err    error
}

// format knows the JSON lines of a runtime.
type format interface {
	// show renders a line, or says that it is none of the runtime's.
	show(p *Printer, line []byte) bool
}

// formats make a format for each runtime that prints JSON lines.
var formats = map[string]func() format{
	"claude":   func() format { return claude{} },
	"codex":    func() format { return codex{} },
	"gemini":   func() format { return gemini{} },
	"opencode": func() format { return &opencode{} },
}

// New returns a Printer for the runtime of that name. What a runtime prints that has no
// JSON lines is only cleaned.
func New(w io.Writer, runtime string) *Printer {
	p := &Printer{w: Clean(w)}
	if of := formats[runtime]; of != nil {
		p.format = of()
	}
	return p
}

// Write renders the lines that are complete.
func (p *Printer) Write(chunk []byte) (int, error) {
	if p.format == nil {
		p.text(string(chunk))
		return len(chunk), p.err
	}
	for rest := chunk; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		p.line, rest = append(p.line, line...), after
		if whole || len(p.line) > lineLimit {
			p.end()
		}
	}
	return len(chunk), p.err
}

// Close renders what is left of a last line.
func (p *Printer) Close() error {
	if len(p.line) > 0 {
		p.end()
	}
	p.begin()
	return p.err
}

// end renders the present line.
func (p *Printer) end() {
	line := bytes.TrimSuffix(p.line, []byte("\r"))
	p.line = nil
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	if line[0] == '{' && json.Valid(line) && p.format.show(p, line) {
		return
	}
	p.say(string(line))
}

// text writes a piece of a text.
func (p *Printer) text(s string) {
	if s == "" || p.err != nil {
		return
	}
	_, p.err = io.WriteString(p.w, s)
	p.inside = !strings.HasSuffix(s, "\n")
}

// begin ends the line that has begun, if one has.
func (p *Printer) begin() {
	if p.inside {
		p.text("\n")
	}
}

// say writes a text that begins and ends its lines.
func (p *Printer) say(s string) {
	p.begin()
	if s = strings.TrimRight(s, "\n"); s != "" {
		p.text(s + "\n")
	}
}

// note writes what is no text of the model, on one line.
func (p *Printer) note(sign, s string) { p.say(sign + " " + brief(s, 200)) }

// brief is the text on one line, cut if it is longer than that many characters.
func brief(s string, limit int) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}
