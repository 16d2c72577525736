package model

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// chat is OpenAI's protocol Chat Completions.
type chat struct{}

// chatRequest is the part of a Chat Completions request that matters here.
type chatRequest struct {
	Model    string `json:"model"`
	Stream   bool   `json:"stream"`
	Messages []struct {
		Role    string `json:"role"`
		Content texts  `json:"content"`
	} `json:"messages"`
	Tools []struct {
		Function struct {
			Name       string `json:"name"`
			Parameters schema `json:"parameters"`
		} `json:"function"`
	} `json:"tools"`
}

func (chat) read(_ *http.Request, body []byte) (*conversation, error) {
	var q chatRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	c := &conversation{model: q.Model, stream: q.Stream}
	for _, t := range q.Tools {
		c.tools = append(c.tools, tool{name: t.Function.Name, parameters: t.Function.Parameters.Properties})
	}
	var system []string
	for _, m := range q.Messages {
		switch text := m.Content.join(); m.Role {
		case "system", "developer":
			system = append(system, text)
		case "user":
			c.ask(text)
		case "tool":
			c.results = append(c.results, text)
		}
	}
	c.system = strings.Join(system, "\n")
	return c, nil
}

func chatCalls(said reply) (calls []fields, finish string) {
	for i, c := range said.calls {
		calls = append(calls, fields{
			"id": fmt.Sprintf("call_%d_%d", said.number, i), "type": "function",
			"function": fields{"name": c.tool.name, "arguments": string(c.input)},
		})
	}
	if len(calls) > 0 {
		return calls, "tool_calls"
	}
	return nil, "stop"
}

func chatStart(said reply, object string, choices ...fields) fields {
	return fields{"id": fmt.Sprintf("chatcmpl-%d", said.number), "object": object, "created": 0, "model": said.model, "choices": choices}
}

func chatUsage() fields {
	return fields{"prompt_tokens": inputTokens, "completion_tokens": outputTokens, "total_tokens": inputTokens + outputTokens}
}

func (chat) whole(said reply) fields {
	message := fields{"role": "assistant", "content": said.text}
	calls, finish := chatCalls(said)
	if calls != nil {
		message["content"], message["tool_calls"] = nil, calls
	}
	whole := chatStart(said, "chat.completion", fields{"index": 0, "message": message, "finish_reason": finish})
	whole["usage"] = chatUsage()
	return whole
}

func (chat) frames(said reply) (frames []string) {
	add := func(delta fields, finish any) {
		choice := fields{"index": 0, "delta": delta, "finish_reason": finish}
		frames = append(frames, frame("", chatStart(said, "chat.completion.chunk", choice)))
	}
	add(fields{"role": "assistant", "content": ""}, nil)
	calls, finish := chatCalls(said)
	for i, c := range calls {
		arguments := halves(string(said.calls[i].input))
		c["index"], c["function"] = i, fields{"name": said.calls[i].tool.name, "arguments": arguments[0]}
		add(fields{"tool_calls": []fields{c}}, nil)
		add(fields{"tool_calls": []fields{{"index": i, "function": fields{"arguments": arguments[1]}}}}, nil)
	}
	if calls == nil {
		for _, half := range halves(said.text) {
			add(fields{"content": half}, nil)
		}
	}
	add(fields{}, finish)
	last := chatStart(said, "chat.completion.chunk")
	last["choices"], last["usage"] = []any{}, chatUsage()
	return append(frames, frame("", last), "data: [DONE]\n\n")
}

func (p chat) failure(reply) string {
	return frame("", p.refusal(http.StatusInternalServerError, "stub failure"))
}

func (chat) refusal(status int, text string) fields { return openAIError(status, text) }
