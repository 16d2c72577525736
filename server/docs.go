package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/agent-on-demand/aod/api"
	"github.com/agent-on-demand/aod/gen"
)

// documents returns the API document in both forms. It is served as it is
// written, but for the URL of a server that has a public one.
func documents(publicURL string) (yaml, json []byte, err error) {
	yaml = api.Document
	if publicURL != "" {
		relative := []byte("\n  - url: /\n")
		if !bytes.Contains(yaml, relative) {
			return nil, nil, fmt.Errorf("the API document has no server %q to replace by the public URL", "/")
		}
		yaml = bytes.Replace(yaml, relative, fmt.Appendf(nil, "\n  - url: %q\n", publicURL), 1)
	}
	json, err = api.JSON(yaml)
	return yaml, json, err
}

// GetDocumentYAML returns the API document.
func (s *Server) GetDocumentYAML(context.Context, gen.GetDocumentYAMLRequestObject) (gen.GetDocumentYAMLResponseObject, error) {
	return gen.GetDocumentYAML200ApplicationYamlResponse{Body: bytes.NewReader(s.yaml), ContentLength: int64(len(s.yaml))}, nil
}

// GetDocumentJSON returns the API document as JSON.
func (s *Server) GetDocumentJSON(context.Context, gen.GetDocumentJSONRequestObject) (gen.GetDocumentJSONResponseObject, error) {
	return documentJSON(s.json), nil
}

// documentJSON is written as it is: the generated answer would lose its order.
type documentJSON []byte

// VisitGetDocumentJSONResponse writes the document.
func (d documentJSON) VisitGetDocumentJSONResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(d)
	return err
}
