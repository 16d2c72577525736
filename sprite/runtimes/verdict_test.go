package runtimes

import (
	"strings"
	"testing"
)

func TestOutputTellsWhetherATurnHasGoneWell(t *testing.T) {
	t.Parallel()
	const thread, id = `{"type":"thread.started","thread_id":"01a2b3c4-9a55-7c3e-8d0b-0c9f0e6f4a11"}` + "\n", "01a2b3c4-9a55-7c3e-8d0b-0c9f0e6f4a11"
	for _, c := range []struct{ runtime, output, conversation, failure string }{
		{"claude", "", "", "claude ended without a result"},
		{"claude", `{"type":"system","subtype":"init"}`, "", "claude ended without a result"},
		{"claude", `{"type":"system","subtype":"api_retry","error":"unknown"}` + "\n" + `{"type":"result","subtype":"success","is_error":false,"result":"done"}` + "\n", "", ""},
		{"claude", `{"type":"result","subtype":"success","is_error":true,"result":"Not logged in\nmore"}`, "", "claude failed: Not logged in"},
		{"claude", "half a line of what came before\"}\nplain words\n" + `{"type":"result","is_error":false}`, "", ""},
		{"codex", thread + `{"type":"turn.completed","usage":{}}`, id, ""},
		{"codex", thread + `{"type":"error","message":"Reconnecting... 1/5"}`, id, "codex ended without a result"},
		{"codex", thread + `{"type":"turn.failed","error":{"message":"unexpected status 401"}}`, id, "codex failed: unexpected status 401"},
		{"codex", `{"type":"turn.completed","usage":{}}`, "", "codex did not say how it names the conversation"},
		{"codex", `{"type":"thread.started","thread_id":"--last"}` + "\n" + `{"type":"turn.completed"}`, "", "codex did not say how it names the conversation"},
		{"gemini", `{"type":"init","session_id":"x"}`, "", "gemini ended without a result"},
		{"gemini", "plain words\n" + `{"type":"result","status":"success","stats":{}}`, "", ""},
		{"gemini", `{"type":"result","status":"error","error":{"type":"unknown","message":"[API Error: 429]"}}`, "", "gemini failed: [API Error: 429]"},
		{"opencode", `{"type":"step_start","sessionID":"ses_1"}` + "\n" + `{"type":"step_finish","sessionID":"ses_1","part":{"reason":"stop"}}`, "ses_1", ""},
		{"opencode", `{"type":"step_finish","sessionID":"ses_1","part":{"reason":"tool-calls"}}`, "ses_1", "opencode ended before its last step"},
		{"opencode", `{"type":"step_finish","sessionID":"ses_1","part":{"reason":"stop"}}` + "\n" + `{"type":"error","sessionID":"ses_1","error":{"name":"APIError","data":{"message":"stub error 401"}}}`, "ses_1", "opencode failed: stub error 401"},
		{"opencode", "", "", "opencode ended without a result"},
		{"shell", "", "", ""},
	} {
		r, _ := ByName(c.runtime)
		for _, output := range []string{c.output, c.output + "\n" + c.output} { // a short output is read twice
			if got := r.Judge([]byte(output)); got != (Verdict{c.conversation, c.failure}) {
				t.Errorf("%s: %+v of %s", c.runtime, got, output)
			}
		}
	}
}

// What a Sprite says is never taken for a flag of the next turn.
func FuzzConversationIsNoFlag(f *testing.F) {
	f.Add([]byte(`{"type":"thread.started","thread_id":"-x"}`))
	f.Add([]byte(`{"type":"step_finish","sessionID":"a\nb"}`))
	f.Fuzz(func(t *testing.T, output []byte) {
		for _, name := range Names() {
			r, _ := ByName(name)
			if v := r.Judge(output); strings.HasPrefix(v.Conversation, "-") || strings.ContainsAny(v.Conversation, "\n\x00 ") || strings.Contains(v.Failure, "\n") {
				t.Errorf("%s: %+q", name, v)
			}
		}
	})
}
