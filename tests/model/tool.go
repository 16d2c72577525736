package model

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// tool is what a runtime offers, with its parameters by name.
type tool struct {
	space      string // codex names MCP tools within a server's namespace
	name       string
	kind       string // custom (its input is a text), tool_search, or any other
	parameters map[string]parameter
}

type parameter struct {
	Type json.RawMessage `json:"type"`
}

// schema is the part of a tool's schema that matters here.
type schema struct {
	Properties map[string]parameter `json:"properties"`
}

// full is the tool's name with its namespace, as the other runtimes write it.
func (t tool) full() string {
	if t.space == "" {
		return t.name
	}
	return strings.TrimSuffix(t.space, "__") + "__" + t.name
}

// named is the first of the names that the tool has a parameter of.
func (t tool) named(names ...string) string {
	for _, name := range names {
		if _, ok := t.parameters[name]; ok {
			return name
		}
	}
	return names[0]
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
		return c.write(first, more)
	case "bash":
		return c.bash(rest)
	}
	if more == "" {
		more = "{}"
	}
	return c.named(first, json.RawMessage(more))
}

// write uses the tool for files, else the shell.
func (c *conversation) write(path, content string) call {
	t, ok := c.offered("Write", "write_file", "write", "apply_patch")
	if !ok {
		if _, ok := c.shell(); ok {
			return c.bash(fmt.Sprintf("cat > '%s' <<'END'\n%s\nEND", path, content))
		}
		t = tool{name: "Write"}
	}
	if t.name != "apply_patch" {
		return call{t, encode(fields{t.named("file_path", "filePath"): path, "content": content})}
	}
	patch := fmt.Sprintf("*** Begin Patch\n*** Add File: %s\n+%s\n*** End Patch", path, strings.ReplaceAll(content, "\n", "\n+"))
	if t.kind == "custom" {
		return call{t, encode(patch)}
	}
	return call{t, encode(fields{t.named("input", "patchText"): patch})}
}

func (c *conversation) bash(command string) call {
	t, ok := c.shell()
	switch {
	case !ok:
		t = tool{name: "Bash"}
	case t.kind == "custom":
		return script(t, fmt.Sprintf("await tools.exec_command({cmd: %s})", encode(command)))
	}
	name := t.named("command", "cmd")
	input := fields{name: command}
	if strings.EqualFold(string(t.parameters[name].Type), `"array"`) {
		input[name] = []string{"bash", "-lc", command}
	}
	if _, ok := t.parameters["description"]; ok {
		input["description"] = "a command of the test"
	}
	return call{t, encode(input)}
}

// named calls the tool of that name, else the only one whose name ends so. What
// codex hides it finds as codex wants it: in a script, or after a search.
func (c *conversation) named(name string, input json.RawMessage) call {
	if t, ok := c.offered(name); ok {
		return call{t, input}
	}
	similar := slices.DeleteFunc(slices.Clone(c.tools), func(t tool) bool { return !strings.HasSuffix(t.full(), name) })
	if len(similar) == 1 {
		return call{similar[0], input}
	}
	if t, ok := c.offered("exec"); ok && t.kind == "custom" {
		return script(t, fmt.Sprintf("await tools[ALL_TOOLS.find(t => t.name.endsWith(%s)).name](%s)", encode(name), input))
	}
	if t, ok := c.offered("tool_search"); ok {
		return call{t, encode(fields{"query": strings.NewReplacer("__", " ", "_", " ").Replace(name), "limit": 8})}
	}
	return call{tool{name: name}, input}
}

// script makes an expression an input of codex's JavaScript tool.
func script(t tool, expression string) call {
	return call{t, encode(fmt.Sprintf("text(JSON.stringify(%s));", expression))}
}

func (c *conversation) shell() (tool, bool) {
	if t, ok := c.offered("Bash", "run_shell_command", "exec_command", "bash", "shell_command", "shell"); ok {
		return t, true
	}
	t, ok := c.offered("exec")
	return t, ok && t.kind == "custom"
}

// offered is the first of the named tools that there is.
func (c *conversation) offered(names ...string) (tool, bool) {
	for _, name := range names {
		if i := slices.IndexFunc(c.tools, func(t tool) bool { return t.full() == name }); i >= 0 {
			return c.tools[i], true
		}
	}
	return tool{}, false
}
