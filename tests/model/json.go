package model

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// fields are a JSON object.
type fields map[string]any

func encode(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode a reply: %v", err)) // a test's [[tool]] without JSON
	}
	return data
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encode(v)) // a client that has left notices nothing
}

// texts are a content of OpenAI's, a plain string or a list of parts on the wire.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*t = texts{text}
		return nil
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(data, &parts) != nil {
		*t = texts{string(data)} // whatever a tool may say
		return nil
	}
	for _, part := range parts {
		*t = append(*t, part.Text)
	}
	return nil
}

func (t texts) join() string { return strings.Join(t, "\n") }
