package pretty

import (
	"encoding/json"
	"strings"
)

// codex knows the lines of exec --json.
type codex struct{}

type codexLine struct {
	Type, Message string
	Item          codexItem
	Usage         struct {
		In  int `json:"input_tokens"`
		Out int `json:"output_tokens"`
	}
	Error struct{ Message string }
}

type codexItem struct {
	Type, Text, Status, Message string
	Command                     string // command_execution
	Output                      string `json:"aggregated_output"`
	ExitCode                    *int   `json:"exit_code"`
	Changes                     []struct{ Path, Kind string }
	Server, Tool                string // mcp_tool_call
	Arguments                   json.RawMessage
	Query                       string // web_search
	Error                       json.RawMessage
}

func (codex) show(p *Printer, text []byte) bool {
	var l codexLine
	if json.Unmarshal(text, &l) != nil {
		return false
	}
	switch l.Type {
	case "item.started":
		if l.Item.Type == "command_execution" { // it may take long
			p.note("→", "shell  "+l.Item.Command)
		}
	case "item.completed":
		l.Item.show(p)
	case "error":
		p.note("…", l.Message)
	case "turn.completed": // the usage is that of the whole conversation
		p.finish(ending{in: l.Usage.In, out: l.Usage.Out})
	case "turn.failed":
		p.finish(ending{failure: l.Error.Message})
	}
	return l.Type != ""
}

func (i codexItem) show(p *Printer) {
	switch i.Type {
	case "agent_message":
		p.say(i.Text)
	case "reasoning":
		p.note("…", i.Text)
	case "error":
		p.note("…", i.Message)
	case "command_execution":
		if i.Status == "failed" {
			p.failed("", i.Output)
		}
	case "file_change":
		for _, c := range i.Changes {
			p.note("→", c.Kind+"  "+c.Path)
		}
	case "mcp_tool_call":
		p.tool("", strings.Trim(i.Server+"."+i.Tool, "."), i.Arguments)
		if i.Status == "failed" {
			p.failed("", string(i.Error))
		}
	case "web_search":
		p.note("→", "web search  "+i.Query)
	}
}
