package model

import (
	"fmt"
	"net/http"
)

// What every answer is said to cost, in tokens.
const (
	inputTokens  = 100
	outputTokens = 20
)

// anthropicStart is an answer that has not said anything yet.
func anthropicStart(number int, model string) fields {
	return fields{
		"id": fmt.Sprintf("msg_%d", number), "type": "message", "role": "assistant", "model": model,
		"content": []any{}, "stop_reason": nil, "stop_sequence": nil,
		"usage": fields{"input_tokens": inputTokens, "output_tokens": outputTokens, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0},
	}
}

func anthropicContent(number int, said reply) (content []fields, stop string) {
	if len(said.calls) == 0 {
		return []fields{{"type": "text", "text": said.text}}, "end_turn"
	}
	for i, c := range said.calls {
		content = append(content, fields{"type": "tool_use", "id": fmt.Sprintf("toolu_%d_%d", number, i), "name": c.tool, "input": c.input})
	}
	return content, "tool_use"
}

// anthropicStream sends an answer in the events of the Messages protocol, a text
// in two halves.
func anthropicStream(w http.ResponseWriter, number int, model string, said reply) {
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(kind string, data fields) {
		data["type"] = kind
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, encode(data))
		_ = http.NewResponseController(w).Flush() // a client that has left notices nothing
	}
	send("message_start", fields{"message": anthropicStart(number, model)})
	content, stop := anthropicContent(number, said)
	for i, block := range content {
		var deltas []fields
		if block["type"] == "text" {
			half := []rune(said.text)[:len([]rune(said.text))/2]
			for _, part := range []string{string(half), said.text[len(string(half)):]} {
				deltas = append(deltas, fields{"type": "text_delta", "text": part})
			}
			block["text"] = ""
		} else {
			deltas = append(deltas, fields{"type": "input_json_delta", "partial_json": string(said.calls[i].input)})
			block["input"] = fields{}
		}
		send("content_block_start", fields{"index": i, "content_block": block})
		for _, delta := range deltas {
			send("content_block_delta", fields{"index": i, "delta": delta})
		}
		send("content_block_stop", fields{"index": i})
	}
	send("message_delta", fields{"delta": fields{"stop_reason": stop, "stop_sequence": nil}, "usage": fields{"output_tokens": outputTokens}})
	send("message_stop", fields{})
}

func anthropicError(w http.ResponseWriter, status int, text string) {
	kind, ok := map[int]string{
		http.StatusBadRequest:      "invalid_request_error",
		http.StatusUnauthorized:    "authentication_error",
		http.StatusForbidden:       "permission_error",
		http.StatusNotFound:        "not_found_error",
		http.StatusTooManyRequests: "rate_limit_error",
		529:                        "overloaded_error",
	}[status]
	if !ok {
		kind = "api_error"
	}
	writeJSON(w, status, fields{"type": "error", "error": fields{"type": kind, "message": text}})
}
