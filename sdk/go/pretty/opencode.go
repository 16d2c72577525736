package pretty

import (
	"encoding/json"
	"time"
)

// opencode knows the lines of run --format json. It adds up what they say of each step.
type opencode struct {
	sum   ending
	began int64 // when the first step did, in milliseconds
}

type opencodeLine struct {
	Type      string
	Timestamp int64
	Part      struct {
		Text, Tool, Reason string
		Cost               float64
		Tokens             struct{ Input, Output int }
		State              struct {
			Status, Error string
			Input         json.RawMessage
		}
	}
	Error struct {
		Name string
		Data struct{ Message string }
	}
}

func (o *opencode) show(p *Printer, text []byte) bool {
	var l opencodeLine
	if json.Unmarshal(text, &l) != nil {
		return false
	}
	switch l.Type {
	case "step_start":
		if o.began == 0 {
			o.began = l.Timestamp
		}
	case "text":
		p.say(l.Part.Text)
	case "reasoning":
		p.note("…", l.Part.Text)
	case "tool_use":
		p.tool("", l.Part.Tool, l.Part.State.Input)
		if l.Part.State.Status == "error" {
			p.failed("", l.Part.State.Error)
		}
	case "step_finish":
		o.sum.cost += l.Part.Cost
		o.sum.in += l.Part.Tokens.Input
		o.sum.out += l.Part.Tokens.Output
		if l.Part.Reason != "tool-calls" {
			o.finish(p, l.Timestamp, "")
		}
	case "error":
		failure := l.Error.Data.Message
		if failure == "" {
			failure = l.Error.Name
		}
		o.finish(p, l.Timestamp, failure)
	}
	return l.Type != ""
}

func (o *opencode) finish(p *Printer, at int64, failure string) {
	o.sum.failure = failure
	if o.began > 0 {
		o.sum.took = time.Duration(at-o.began) * time.Millisecond
	}
	p.finish(o.sum)
	*o = opencode{}
}
