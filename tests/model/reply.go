package model

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What every answer is said to cost, in tokens.
const (
	inputTokens  = 100
	outputTokens = 20
)

// conversation is what a request says, in any protocol.
type conversation struct {
	model   string
	system  string
	stream  bool
	json    bool // the answer has to be JSON
	prompts []string
	results []string // of tools since the newest prompt
	tools   []tool
}

// ask adds a prompt, which no tool has worked for yet.
func (c *conversation) ask(prompt string) {
	c.prompts, c.results = append(c.prompts, prompt), nil
}

// reply is what to answer: a status that is not 200, or calls, or a text.
type reply struct {
	number int // of the request
	model  string
	status int
	pause  time.Duration
	ending string // cut, stall or fail; empty if the answer comes whole
	text   string
	calls  []call
}

// call asks for a tool. The input is a JSON string for a custom tool, an object
// for any other.
type call struct {
	tool  tool
	input json.RawMessage
}

var directive = regexp.MustCompile(`(?s)\[\[(?:(write|bash|tool|text|status|sleep)\s+(.*?)|(cut|stall|fail))\]\]`)

// reply decides the answer from the newest prompt's directives and from how many
// of them are done.
func (c *conversation) reply() reply {
	switch {
	case len(c.tools) > 0:
	case c.json:
		return reply{text: "{}"}
	default:
		return reply{text: "Stub title"}
	}
	var prompt string
	if n := len(c.prompts); n > 0 {
		prompt = c.prompts[n-1]
	}
	done := len(c.results)
	said := reply{text: fmt.Sprintf("Hello from the stub model. turn=%d heard=%s", len(c.prompts), end(prompt, 80))}
	if done > 0 {
		said.text = "TOOL RESULT: " + begin(c.results[done-1], 200)
	}
	var calls []call
	for _, found := range directive.FindAllStringSubmatch(prompt, -1) {
		switch kind, rest := found[1]+found[3], found[2]; kind {
		case "text":
			said.text = rest
		case "status":
			said.status, _ = strconv.Atoi(rest)
		case "sleep":
			seconds, _ := strconv.ParseFloat(rest, 64)
			said.pause = time.Duration(seconds * float64(time.Second))
		case "cut", "stall", "fail":
			said.ending = kind
		default:
			calls = append(calls, c.call(kind, rest))
		}
	}
	if done > 0 {
		said.status, said.pause, said.ending = 0, 0, ""
	}
	if done < len(calls) {
		said.text, said.calls = "", calls[done:done+1]
	}
	return said
}

func begin(text string, n int) string {
	runes := []rune(text)
	return string(runes[:min(n, len(runes))])
}

func end(text string, n int) string {
	runes := []rune(strings.TrimSpace(text))
	return string(runes[max(0, len(runes)-n):])
}

// names are the full names of the tools, in the order of the request.
func (c *conversation) names() []string {
	var names []string
	for _, t := range c.tools {
		names = append(names, t.full())
	}
	return names
}
