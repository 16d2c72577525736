package model

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// conversation is what a request says, in any protocol.
type conversation struct {
	model   string
	system  string
	prompts []string
	results []string // of tools since the newest prompt
	tools   []tool
}

// tool is what a runtime offers, with the names of its parameters.
type tool struct {
	name       string
	parameters []string
}

// reply is what to answer: a status that is not 200, or calls, or a text.
type reply struct {
	status int
	pause  time.Duration
	text   string
	calls  []call
}

type call struct {
	tool  string
	input json.RawMessage
}

var directive = regexp.MustCompile(`(?s)\[\[(write|bash|tool|text|status|sleep)\s+(.*?)\]\]`)

// reply decides the answer from the newest prompt's directives and from how many
// of them are done.
func (c *conversation) reply() reply {
	if len(c.tools) == 0 {
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
		switch kind, rest := found[1], found[2]; kind {
		case "text":
			said.text = rest
		case "status":
			said.status, _ = strconv.Atoi(rest)
		case "sleep":
			seconds, _ := strconv.ParseFloat(rest, 64)
			said.pause = time.Duration(seconds * float64(time.Second))
		default:
			calls = append(calls, c.call(kind, rest))
		}
	}
	if done > 0 {
		said.status, said.pause = 0, 0
	}
	if done < len(calls) {
		said.text, said.calls = "", calls[done:done+1]
	}
	return said
}

// call makes a directive a call of a tool that the runtime has. Without such a
// tool it calls one that does not exist, and the runtime says so.
func (c *conversation) call(kind, rest string) call {
	first, more := rest, ""
	if i := strings.IndexAny(rest, " \t\n"); i >= 0 {
		first, more = rest[:i], rest[i+1:]
	}
	switch kind {
	case "write":
		t := c.find("Write", "write_file", "write")
		return call{t.name, encode(fields{t.named("file_path", "filePath"): first, "content": more})}
	case "bash":
		t := c.find("Bash", "run_shell_command", "exec_command", "bash")
		return call{t.name, encode(fields{t.named("command", "cmd"): rest})}
	}
	if more == "" {
		more = "{}"
	}
	return call{c.find(first).name, json.RawMessage(more)}
}

// find is the first of the named tools that there is, else the only one whose
// name ends in the first of the names.
func (c *conversation) find(names ...string) tool {
	for _, name := range names {
		if i := slices.IndexFunc(c.tools, func(t tool) bool { return t.name == name }); i >= 0 {
			return c.tools[i]
		}
	}
	similar := slices.DeleteFunc(slices.Clone(c.tools), func(t tool) bool { return !strings.HasSuffix(t.name, names[0]) })
	if len(similar) == 1 {
		return similar[0]
	}
	return tool{name: names[0]}
}

// named is the first of the names that the tool has a parameter of.
func (t tool) named(names ...string) string {
	for _, name := range names {
		if slices.Contains(t.parameters, name) {
			return name
		}
	}
	return names[0]
}

func begin(text string, n int) string {
	runes := []rune(text)
	return string(runes[:min(n, len(runes))])
}

func end(text string, n int) string {
	runes := []rune(strings.TrimSpace(text))
	return string(runes[max(0, len(runes)-n):])
}
