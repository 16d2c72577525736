package pretty

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// claude knows the lines of --output-format stream-json.
type claude struct{}

type claudeLine struct {
	Type, Subtype string
	Parent        *string `json:"parent_tool_use_id"`
	Message       struct {
		Content json.RawMessage // a text or blocks
	}

	Model   string // init
	Tools   []string
	Servers []struct{ Name string } `json:"mcp_servers"`

	Attempt     int // api_retry
	MaxRetries  int `json:"max_retries"`
	Error       string
	Description string // task_started

	IsError bool `json:"is_error"` // result
	Result  string
	TookMS  int64   `json:"duration_ms"`
	Turns   int     `json:"num_turns"`
	Cost    float64 `json:"total_cost_usd"`
	Usage   struct {
		In  int `json:"input_tokens"`
		Out int `json:"output_tokens"`
	}
}

type claudeBlock struct {
	Type, Text, Thinking, Name string
	Input                      json.RawMessage
	IsError                    bool `json:"is_error"`
	Content                    json.RawMessage
}

func (claude) show(p *Printer, text []byte) bool {
	var l claudeLine
	if json.Unmarshal(text, &l) != nil {
		return false
	}
	indent := ""
	if l.Parent != nil {
		indent = "  "
	}
	switch l.Type {
	case "system":
		l.system(p)
	case "assistant", "user":
		var blocks []claudeBlock
		if json.Unmarshal(l.Message.Content, &blocks) == nil {
			for _, b := range blocks {
				b.show(p, indent, l.Type == "assistant")
			}
		}
	case "result":
		e := ending{took: time.Duration(l.TookMS) * time.Millisecond, turns: l.Turns, cost: l.Cost, in: l.Usage.In, out: l.Usage.Out}
		if l.IsError || l.Subtype != "success" {
			e.failure = strings.TrimSpace(l.Subtype + " " + l.Result)
			if l.Subtype == "success" {
				e.failure = l.Result
			}
		}
		p.finish(e)
	}
	return l.Type != ""
}

func (l claudeLine) system(p *Printer) {
	switch l.Subtype {
	case "init":
		said := fmt.Sprintf("%s, %d %s", l.Model, len(l.Tools), plural("tool", len(l.Tools)))
		var names []string
		for _, s := range l.Servers {
			names = append(names, s.Name)
		}
		if len(names) > 0 {
			said += ", MCP: " + strings.Join(names, ", ")
		}
		p.note("⚙", said)
	case "api_retry":
		p.note("…", fmt.Sprintf("asking the model again, %d of %d: %s", l.Attempt, l.MaxRetries, l.Error))
	case "task_started":
		p.note("→", "Task  "+l.Description)
	}
}

func (b claudeBlock) show(p *Printer, indent string, model bool) {
	switch {
	case b.Type == "text" && model && strings.TrimSpace(b.Text) != "":
		p.say(indent + strings.ReplaceAll(strings.TrimRight(b.Text, "\n"), "\n", "\n"+indent))
	case b.Type == "thinking" && strings.TrimSpace(b.Thinking) != "":
		p.note(indent+"…", b.Thinking)
	case b.Type == "tool_use":
		p.tool(indent, b.Name, b.Input)
	case b.Type == "tool_result" && b.IsError:
		p.failed(indent, claudeText(b.Content))
	}
}

// claudeText is the text of a content, which is a text or blocks.
func claudeText(content json.RawMessage) string {
	var text string
	if json.Unmarshal(content, &text) == nil {
		return text
	}
	var blocks []claudeBlock
	if json.Unmarshal(content, &blocks) == nil && len(blocks) > 0 {
		return blocks[0].Text
	}
	return ""
}
