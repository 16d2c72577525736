package tests

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	contract "github.com/agent-on-demand/aod/api"
)

// document is the API document, labelled 3.0.3 for kin-openapi's own validator. That
// lets a value without a type be anything but null, unless it is told so.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(contract.Document)
	if err == nil {
		doc.OpenAPI = "3.0.3"
		doc.Components.Schemas["ValidationErrorItem"].Value.Properties["input"].Value.Nullable = true
	}
	return doc, err
})

// conforms fails the test if the document does not describe an answer. Every
// answer that any test sees passes through it.
func conforms(t *testing.T, method, path string, answer *http.Response, body string) {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	path, _, _ = strings.Cut(path, "?")
	o := operation(doc, method, path)
	if o == nil {
		return // no operation: 404 or 405
	}
	response := o.Responses.Value(strconv.Itoa(answer.StatusCode))
	if response == nil {
		t.Errorf("%s %s: the document lists no %d for %s", method, path, answer.StatusCode, o.OperationID)
		return
	}
	kind := answer.Header.Get("Content-Type")
	media := response.Value.Content[kind]
	if media == nil {
		t.Errorf("%s %s: the document lists no %q for %d", method, path, kind, answer.StatusCode)
		return
	}
	if kind != "application/json" {
		return
	}
	var value any
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber() // metadata may have numbers of any size
	if err := d.Decode(&value); err != nil {
		t.Errorf("%s %s: %v", method, path, err)
		return
	}
	if err := media.Schema.Value.VisitJSON(value); err != nil {
		t.Errorf("%s %s: the answer does not fit the document: %v\n%s", method, path, err, body)
	}
}

// isEvent fails the test if the document does not describe an event of a stream.
func isEvent(t *testing.T, text string) {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Errorf("%v: %s", err, text)
		return
	}
	if err := doc.Components.Schemas["Event"].Value.VisitJSON(value); err != nil {
		t.Errorf("the event does not fit the document: %v\n%s", err, text)
	}
}

// operation finds the operation of a path with values in the place of its parameters.
func operation(doc *openapi3.T, method, path string) *openapi3.Operation {
	given := strings.Split(path, "/")
	for template, item := range doc.Paths.Map() {
		wanted := strings.Split(template, "/")
		fits := len(wanted) == len(given)
		for i := range wanted {
			fits = fits && (wanted[i] == given[i] || strings.HasPrefix(wanted[i], "{") && len(given[i]) == len(nobodys))
		}
		if fits {
			return item.Operations()[method]
		}
	}
	return nil
}
