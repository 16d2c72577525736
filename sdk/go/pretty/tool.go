package pretty

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// known are the names, in the order of what says most, that tools have for what they are asked.
var known = []string{"command", "cmd", "file_path", "filePath", "path", "notebook_path", "pattern", "url", "query", "description", "name", "prompt"}

// tool notes the use of a tool: its name and what of its input says most.
func (p *Printer) tool(indent, name string, input json.RawMessage) {
	p.note(indent+"→", strings.TrimSpace(name+"  "+detail(input)))
}

func detail(input json.RawMessage) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(input, &fields) != nil {
		return ""
	}
	for _, name := range known {
		var text string
		if json.Unmarshal(fields[name], &text) == nil && strings.TrimSpace(text) != "" {
			return brief(text, 140)
		}
	}
	if len(fields) == 0 {
		return ""
	}
	return brief(string(input), 140)
}

// failed notes that a tool went wrong, and how its words begin.
func (p *Printer) failed(indent, said string) { p.note(indent+"  ✗", brief(said, 140)) }

// ending is what a runtime says of a turn at its end.
type ending struct {
	failure string
	took    time.Duration
	turns   int
	cost    float64
	in, out int // tokens
}

func (p *Printer) finish(e ending) {
	var said []string
	if e.took > 0 {
		said = append(said, fmt.Sprintf("%.1fs", e.took.Seconds()))
	}
	if e.turns > 0 {
		said = append(said, fmt.Sprintf("%d %s", e.turns, plural("turn", e.turns)))
	}
	if e.cost > 0 {
		said = append(said, fmt.Sprintf("$%.4f", e.cost))
	}
	if e.in+e.out > 0 {
		said = append(said, fmt.Sprintf("%d tokens in, %d out", e.in, e.out))
	}
	sign, word := "✓", "Done"
	if e.failure != "" {
		sign, word = "✗", "Failed: "+brief(e.failure, 140)
	}
	if len(said) > 0 {
		word += " · " + strings.Join(said, ", ")
	}
	p.say(sign + " " + word)
}

func plural(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
