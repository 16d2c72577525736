package model

import (
	"fmt"
	"net/http"
)

// anthropicStart is an answer that has not said anything yet.
func anthropicStart(said reply) fields {
	return fields{
		"id": fmt.Sprintf("msg_%d", said.number), "type": "message", "role": "assistant", "model": said.model,
		"content": []any{}, "stop_reason": nil, "stop_sequence": nil,
		"usage": fields{"input_tokens": inputTokens, "output_tokens": outputTokens, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0},
	}
}

func anthropicContent(said reply) (content []fields, stop string) {
	if len(said.calls) == 0 {
		return []fields{{"type": "text", "text": said.text}}, "end_turn"
	}
	for i, c := range said.calls {
		content = append(content, fields{"type": "tool_use", "id": fmt.Sprintf("toolu_%d_%d", said.number, i), "name": c.tool.name, "input": c.input})
	}
	return content, "tool_use"
}

func (anthropic) whole(said reply) fields {
	whole := anthropicStart(said)
	whole["content"], whole["stop_reason"] = anthropicContent(said)
	return whole
}

func (anthropic) frames(said reply) (frames []string) {
	add := func(kind string, data fields) {
		data["type"] = kind
		frames = append(frames, frame(kind, data))
	}
	add("message_start", fields{"message": anthropicStart(said)})
	content, stop := anthropicContent(said)
	for i, block := range content {
		var deltas []fields
		if block["type"] == "text" {
			for _, part := range halves(said.text) {
				deltas = append(deltas, fields{"type": "text_delta", "text": part})
			}
			block["text"] = ""
		} else {
			deltas = append(deltas, fields{"type": "input_json_delta", "partial_json": string(said.calls[i].input)})
			block["input"] = fields{}
		}
		add("content_block_start", fields{"index": i, "content_block": block})
		for _, delta := range deltas {
			add("content_block_delta", fields{"index": i, "delta": delta})
		}
		add("content_block_stop", fields{"index": i})
	}
	add("message_delta", fields{"delta": fields{"stop_reason": stop, "stop_sequence": nil}, "usage": fields{"output_tokens": outputTokens}})
	add("message_stop", fields{})
	return frames
}

func (p anthropic) failure(reply) string {
	return frame("error", p.refusal(http.StatusInternalServerError, "stub failure"))
}

func (anthropic) refusal(status int, text string) fields {
	return fields{"type": "error", "error": fields{"type": errorKind(status), "message": text}}
}

// errorKind is the name that Anthropic, and mostly OpenAI, give an error.
func errorKind(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "invalid_request_error"
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case 529:
		return "overloaded_error"
	}
	return "api_error"
}
