package pretty

import (
	"encoding/json"
	"time"
)

// gemini knows the lines of --output-format stream-json.
type gemini struct{}

type geminiLine struct {
	Type, Role, Content, Model, Status, Message string
	Tool                                        string `json:"tool_name"`
	Parameters                                  json.RawMessage
	Output                                      string
	Error                                       struct{ Message string }
	Stats                                       struct {
		TookMS int64 `json:"duration_ms"`
		In     int   `json:"input_tokens"`
		Out    int   `json:"output_tokens"`
	}
}

func (gemini) show(p *Printer, text []byte) bool {
	var l geminiLine
	if json.Unmarshal(text, &l) != nil {
		return false
	}
	switch l.Type {
	case "init":
		p.note("⚙", l.Model)
	case "message":
		if l.Role == "assistant" { // in pieces
			p.text(l.Content)
		}
	case "tool_use":
		p.tool("", l.Tool, l.Parameters)
	case "tool_result":
		if l.Status == "error" {
			p.failed("", l.Error.Message+" "+l.Output)
		}
	case "error":
		p.note("…", l.Message)
	case "result":
		e := ending{took: time.Duration(l.Stats.TookMS) * time.Millisecond, in: l.Stats.In, out: l.Stats.Out}
		if l.Status != "success" {
			e.failure = l.Error.Message
			if e.failure == "" {
				e.failure = "status " + l.Status
			}
		}
		p.finish(e)
	}
	return l.Type != ""
}
