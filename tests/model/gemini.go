package model

import (
	"encoding/json"
	"net/http"
	"strings"
)

// gemini is the protocol of Google's generative language service.
type gemini struct{}

// geminiRequest is the part of a Gemini request that matters here.
type geminiRequest struct {
	System   geminiContent   `json:"systemInstruction"`
	Contents []geminiContent `json:"contents"`
	Tools    []struct {
		Functions []struct {
			Name       string `json:"name"`
			Parameters schema `json:"parameters"`
			JSONSchema schema `json:"parametersJsonSchema"`
		} `json:"functionDeclarations"`
	} `json:"tools"`
	Config struct {
		MIMEType string `json:"responseMimeType"`
	} `json:"generationConfig"`
}

type geminiContent struct {
	Role  string `json:"role"`
	Parts []struct {
		Text     string `json:"text"`
		Response *struct {
			Response json.RawMessage `json:"response"`
		} `json:"functionResponse"`
	} `json:"parts"`
}

func (gemini) read(r *http.Request, body []byte) (*conversation, error) {
	var q geminiRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	model, method, _ := strings.Cut(r.PathValue("call"), ":")
	c := &conversation{model: model, stream: method == "streamGenerateContent", json: q.Config.MIMEType == "application/json"}
	for _, t := range q.Tools {
		for _, f := range t.Functions {
			parameters := f.JSONSchema.Properties
			if parameters == nil {
				parameters = f.Parameters.Properties
			}
			c.tools = append(c.tools, tool{name: f.Name, parameters: parameters})
		}
	}
	var system []string
	for _, part := range q.System.Parts {
		system = append(system, part.Text)
	}
	c.system = strings.Join(system, "\n")
	for _, content := range q.Contents {
		if content.Role == "model" {
			continue
		}
		for _, part := range content.Parts {
			switch {
			case part.Response != nil:
				c.results = append(c.results, geminiResult(part.Response.Response))
			case part.Text != "" && !strings.HasPrefix(strings.TrimSpace(part.Text), "<session_context>"):
				c.ask(part.Text)
			}
		}
	}
	return c, nil
}

// geminiResult is a tool's output, or else all that it answered.
func geminiResult(response json.RawMessage) string {
	var r struct {
		Output  *string `json:"output"`  // of gemini
		Content *string `json:"content"` // of opencode
	}
	switch err := json.Unmarshal(response, &r); {
	case err == nil && r.Output != nil:
		return *r.Output
	case err == nil && r.Content != nil:
		return *r.Content
	}
	return string(response)
}

// generate sends on what is asked of a model.
func (s *Server) generate(w http.ResponseWriter, r *http.Request) {
	switch _, method, _ := strings.Cut(r.PathValue("call"), ":"); method {
	case "generateContent", "streamGenerateContent":
		s.speak(gemini{})(w, r)
	case "countTokens":
		data, ok := body(w, r)
		if !ok {
			return
		}
		s.record(Request{Body: data}, r)
		writeJSON(w, http.StatusOK, fields{"totalTokens": 10})
	default:
		s.unknown(w, r)
	}
}

func geminiParts(said reply) []fields {
	if len(said.calls) == 0 {
		return []fields{{"text": said.text}}
	}
	var parts []fields
	for _, c := range said.calls {
		parts = append(parts, fields{"functionCall": fields{"name": c.tool.name, "args": c.input}})
	}
	return parts
}

func geminiAnswer(said reply, finish string, parts ...fields) fields {
	candidate := fields{"index": 0, "content": fields{"role": "model", "parts": parts}}
	if finish != "" {
		candidate["finishReason"] = finish
	}
	return fields{
		"candidates": []fields{candidate}, "modelVersion": said.model,
		"usageMetadata": fields{"promptTokenCount": inputTokens, "candidatesTokenCount": outputTokens, "totalTokenCount": inputTokens + outputTokens},
	}
}

func (gemini) whole(said reply) fields { return geminiAnswer(said, "STOP", geminiParts(said)...) }

func (p gemini) frames(said reply) []string {
	if len(said.calls) > 0 {
		return []string{frame("", p.whole(said))}
	}
	text := halves(said.text)
	return []string{
		frame("", geminiAnswer(said, "", fields{"text": text[0]})),
		frame("", geminiAnswer(said, "STOP", fields{"text": text[1]})),
	}
}

func (p gemini) failure(reply) string {
	return frame("", p.refusal(http.StatusInternalServerError, "stub failure"))
}

func (gemini) refusal(status int, text string) fields {
	kind, ok := map[int]string{
		http.StatusBadRequest:         "INVALID_ARGUMENT",
		http.StatusUnauthorized:       "UNAUTHENTICATED",
		http.StatusForbidden:          "PERMISSION_DENIED",
		http.StatusNotFound:           "NOT_FOUND",
		http.StatusTooManyRequests:    "RESOURCE_EXHAUSTED",
		http.StatusServiceUnavailable: "UNAVAILABLE",
	}[status]
	if !ok {
		kind = "INTERNAL"
	}
	return fields{"error": fields{"code": status, "message": text, "status": kind}}
}
