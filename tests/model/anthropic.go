package model

import (
	"encoding/json"
	"net/http"
	"strings"
)

// anthropic is the protocol Messages.
type anthropic struct{}

// anthropicRequest is the part of a Messages request that matters here.
type anthropicRequest struct {
	Model    string          `json:"model"`
	Stream   bool            `json:"stream"`
	System   anthropicBlocks `json:"system"`
	Messages []struct {
		Role    string          `json:"role"`
		Content anthropicBlocks `json:"content"`
	} `json:"messages"`
	Tools []struct {
		Name   string `json:"name"`
		Schema schema `json:"input_schema"`
	} `json:"tools"`
}

type anthropicBlock struct {
	Type    string          `json:"type"`
	Text    string          `json:"text"`
	Content anthropicBlocks `json:"content"` // of a tool_result
}

// anthropicBlocks may be a plain string on the wire.
type anthropicBlocks []anthropicBlock

func (b *anthropicBlocks) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*b = anthropicBlocks{{Type: "text", Text: text}}
		return nil
	}
	return json.Unmarshal(data, (*[]anthropicBlock)(b))
}

func (b anthropicBlocks) text() string {
	var texts []string
	for _, block := range b {
		if block.Type == "text" {
			texts = append(texts, block.Text)
		}
	}
	return strings.Join(texts, "\n")
}

func (anthropic) read(_ *http.Request, body []byte) (*conversation, error) {
	var q anthropicRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	c := &conversation{model: q.Model, system: q.System.text(), stream: q.Stream}
	for _, t := range q.Tools {
		c.tools = append(c.tools, tool{name: t.Name, parameters: t.Schema.Properties})
	}
	for _, m := range q.Messages {
		if m.Role != "user" {
			continue
		}
		prompt, asked := "", false
		for _, block := range m.Content {
			switch {
			case block.Type == "tool_result":
				c.results = append(c.results, block.Content.text())
			case block.Type == "text" && !strings.HasPrefix(strings.TrimSpace(block.Text), "<system-reminder>"):
				prompt, asked = block.Text, true // of two in one, as after a killed turn, the newest
			}
		}
		if asked {
			c.ask(prompt)
		}
	}
	return c, nil
}

func (s *Server) countTokens(w http.ResponseWriter, r *http.Request) {
	data, ok := body(w, r)
	if !ok {
		return
	}
	s.record(Request{Body: data}, r)
	writeJSON(w, http.StatusOK, fields{"input_tokens": 10})
}
