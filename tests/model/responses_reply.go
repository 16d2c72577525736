package model

import (
	"encoding/json"
	"fmt"
	"net/http"
)

func responsesItems(said reply) []fields {
	if len(said.calls) == 0 {
		return []fields{{
			"type": "message", "id": fmt.Sprintf("msg_%d", said.number), "role": "assistant", "status": "completed",
			"content": []fields{responsesText(said.text)},
		}}
	}
	var items []fields
	for i, c := range said.calls {
		id := fmt.Sprintf("%d_%d", said.number, i)
		item := fields{"id": "fc_" + id, "call_id": "call_" + id, "status": "completed"}
		switch c.tool.kind {
		case "custom":
			var text string
			_ = json.Unmarshal(c.input, &text) // a test's [[tool]] with an object sends nothing
			item["type"], item["name"], item["input"] = "custom_tool_call", c.tool.name, text
		case "tool_search":
			item["type"], item["execution"], item["arguments"] = "tool_search_call", "client", c.input
		default:
			item["type"], item["name"], item["arguments"] = "function_call", c.tool.name, string(c.input)
			if c.tool.space != "" {
				item["namespace"] = c.tool.space
			}
		}
		items = append(items, item)
	}
	return items
}

func responsesText(text string) fields {
	return fields{"type": "output_text", "text": text, "annotations": []any{}}
}

func responsesStart(said reply) fields {
	return fields{
		"id": fmt.Sprintf("resp_%d", said.number), "object": "response", "created_at": 0, "model": said.model,
		"status": "in_progress", "output": []any{}, "usage": nil,
	}
}

func (responses) whole(said reply) fields {
	whole := responsesStart(said)
	whole["status"], whole["output"] = "completed", responsesItems(said)
	whole["usage"] = fields{
		"input_tokens": inputTokens, "input_tokens_details": fields{"cached_tokens": 0},
		"output_tokens": outputTokens, "output_tokens_details": fields{"reasoning_tokens": 0},
		"total_tokens": inputTokens + outputTokens,
	}
	return whole
}

func (p responses) frames(said reply) (frames []string) {
	add := func(kind string, data fields) {
		data["type"], data["sequence_number"] = kind, len(frames)
		frames = append(frames, frame(kind, data))
	}
	add("response.created", fields{"response": responsesStart(said)})
	for i, item := range responsesItems(said) {
		part := func(more fields) fields {
			more["item_id"], more["output_index"] = item["id"], i
			return more
		}
		content := func(more fields) fields {
			more["content_index"] = 0
			return part(more)
		}
		add("response.output_item.added", fields{"output_index": i, "item": unsaid(item)})
		switch item["type"] {
		case "message":
			add("response.content_part.added", content(fields{"part": responsesText("")}))
			for _, half := range halves(said.text) {
				add("response.output_text.delta", content(fields{"delta": half}))
			}
			add("response.output_text.done", content(fields{"text": said.text}))
			add("response.content_part.done", content(fields{"part": responsesText(said.text)}))
		case "function_call":
			add("response.function_call_arguments.delta", part(fields{"delta": item["arguments"]}))
			add("response.function_call_arguments.done", part(fields{"arguments": item["arguments"]}))
		case "custom_tool_call":
			add("response.custom_tool_call_input.delta", part(fields{"delta": item["input"]}))
			add("response.custom_tool_call_input.done", part(fields{"input": item["input"]}))
		}
		add("response.output_item.done", fields{"output_index": i, "item": item})
	}
	add("response.completed", fields{"response": p.whole(said)})
	return frames
}

// unsaid is an item before its first delta.
func unsaid(item fields) fields {
	before := fields{}
	for name, value := range item {
		switch name {
		case "content":
			value = []any{}
		case "input":
			value = ""
		case "arguments":
			if _, ok := value.(string); ok {
				value = ""
			}
		case "status":
			value = "in_progress"
		}
		before[name] = value
	}
	return before
}

func (responses) failure(said reply) string {
	failed := responsesStart(said)
	failed["status"], failed["error"] = "failed", fields{"code": "server_error", "message": "stub failure"}
	return frame("response.failed", fields{"type": "response.failed", "response": failed})
}

func (responses) refusal(status int, text string) fields { return openAIError(status, text) }

// openAIError is how both of OpenAI's protocols refuse.
func openAIError(status int, text string) fields {
	kind, code := errorKind(status), any(nil)
	switch status {
	case http.StatusUnauthorized:
		kind, code = "invalid_request_error", "invalid_api_key"
	case http.StatusTooManyRequests:
		kind, code = "requests", "rate_limit_exceeded"
	}
	return fields{"error": fields{"message": text, "type": kind, "param": nil, "code": code}}
}
