package model

import (
	"encoding/json"
	"fmt"
	"net/http"
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
