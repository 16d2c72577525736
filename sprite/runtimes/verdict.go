package runtimes

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// Verdict is what a runtime's own output says of a turn whose exit code is 0.
type Verdict struct {
	Conversation string // the runtime's name for it, where that is not the session's id
	Failure      string // why the turn has failed all the same; empty if it has not
}

// event is a line of a runtime's output: what matters of any.
type event struct {
	Type     string `json:"type"`
	IsError  bool   `json:"is_error"`  // claude
	Status   string `json:"status"`    // gemini
	ThreadID string `json:"thread_id"` // codex
	Result   string `json:"result"`    // claude

	SessionID string `json:"sessionID"` // opencode
	Part      struct {
		Reason string `json:"reason"`
	} `json:"part"`

	Error struct {
		Message string `json:"message"`
		Data    struct {
			Message string `json:"message"`
		} `json:"data"`
	} `json:"error"`
}

// Judge reads the end of a turn's output, and its beginning for the name of the
// conversation. Lines that are no JSON are not the runtime's.
func (r *Runtime) Judge(output []byte) Verdict {
	if r.judge == nil {
		return Verdict{}
	}
	var events []event
	for line := range bytes.Lines(output) {
		var e event
		if json.Unmarshal(line, &e) == nil || e.Type != "" { // a field of another form is another runtime's
			events = append(events, e)
		}
	}
	v := r.judge(events)
	if !conversationName.MatchString(v.Conversation) {
		v.Conversation = ""
	}
	if r.names && v.Conversation == "" && v.Failure == "" {
		v.Failure = r.Name + " did not say how it names the conversation"
	}
	v.Failure, _, _ = strings.Cut(v.Failure, "\n")
	return v
}

// Judged says whether the runtime's output tells more of a turn than its exit code.
func (r *Runtime) Judged() bool { return r.judge != nil }

// conversationName keeps what a Sprite says from being taken for a flag.
var conversationName = regexp.MustCompile(`\A[A-Za-z0-9][A-Za-z0-9_-]{0,127}\z`)
