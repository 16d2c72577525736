package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/agent-on-demand/aod/api"
)

// requests are the schemas of bodies, by the route of their operation.
var requests = map[string]string{
	"POST /agents":                      "AgentCreate",
	"PUT /agents/:agent_id":             "AgentUpdate",
	"POST /environments":                "EnvironmentCreate",
	"PUT /environments/:environment_id": "EnvironmentUpdate",
	"POST /sessions":                    "SessionCreate",
	"POST /sessions/:session_id/prompt": "SessionPrompt",
}

// There are two readings of the document: ours, labelled 3.0.3 for kin-openapi's own
// validator, and that of JSON Schema 2020-12, which 3.1 refers to. On random values,
// right and wrong ones, they agree; and what the server accepts fits the document.
func TestBothValidatorsAgree(t *testing.T) {
	t.Parallel()
	const perSchema = 3000
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	ours, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	ours.OpenAPI = "3.0.3"
	served, err := newValidator(api.Document, rules, nil)
	if err != nil {
		t.Fatal(err)
	}
	for route, name := range requests {
		schema, theirs := ours.Components.Schemas[name].Value, compiled(t, name)
		fitting := 0
		for range perSchema {
			value := generate(random, schema, 0)
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			mine, other := schema.VisitJSON(decoded(t, text)), theirs.Validate(decoded(t, text))
			if (mine == nil) != (other == nil) {
				t.Fatalf("seed %d: %s %s\nkin-openapi: %v\nJSON Schema: %v", seed, name, text, mine, other)
			}
			if mine == nil {
				fitting++
			}
			checked, err := served.check(served.operations[route], text)
			if err != nil {
				continue
			}
			accepted := decoded(t, checked)
			withoutOpaque(accepted)
			if err := theirs.Validate(accepted); err != nil {
				t.Fatalf("seed %d: %s %s is accepted: %v", seed, name, text, err)
			}
		}
		if fitting < perSchema/20 || fitting > perSchema*19/20 {
			t.Errorf("seed %d: %d of %d values fit %s: the test says little", seed, fitting, perSchema, name)
		}
	}
}

// withoutOpaque removes what a network that is not limited keeps without a look.
func withoutOpaque(body any) {
	if network, ok := body.(map[string]any)["networking"].(map[string]any); ok && network["type"] != "limited" {
		delete(network, "allowed_hosts")
	}
}

func decoded(t *testing.T, text []byte) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// compiled is a schema of the document as JSON Schema 2020-12 reads it.
func compiled(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	text, err := api.JSON(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("openapi.json", decoded(t, text)); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("openapi.json#/components/schemas/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// oddities are values that stand in the place of better ones.
var oddities = []any{
	nil, true, "", "x", " ", "é\u2028\x00", "null", "10", strings.Repeat("x", 201), 0, -1, 1, 10, 3600, 3601, 1.5, 1e300, json.Number("30.0"), json.Number("1e2"), json.Number("99999999999999999999"),
	[]any{}, []any{nil}, []any{"x"}, map[string]any{}, map[string]any{"": nil}, map[string]any{"type": "url"}, "limited", "github", "/w", "https://github.com/a/b",
}

// generate makes a value for a schema that is mostly right.
func generate(r *rand.Rand, s *openapi3.Schema, depth int) any {
	switch n := r.IntN(40); {
	case n == 0 || depth > 6:
		return oddities[r.IntN(len(oddities))]
	case len(s.OneOf) > 0:
		return generate(r, s.OneOf[r.IntN(len(s.OneOf))].Value, depth)
	case len(s.Enum) > 0:
		return s.Enum[r.IntN(len(s.Enum))]
	case s.Type == nil:
		return oddities[r.IntN(len(oddities))]
	}
	switch kinds := s.Type.Slice(); kinds[r.IntN(len(kinds))] {
	case openapi3.TypeString:
		texts := []string{"a", "shell", "claude", "local/bash", "anthropic/x", "anthropic", "a-1", "a/b", "/w/x", "https://github.com/a/b.git", strings.Repeat("é", 200)}
		return texts[r.IntN(len(texts))]
	case openapi3.TypeInteger:
		return r.IntN(40) + 1
	case openapi3.TypeBoolean:
		return r.IntN(2) == 0
	case openapi3.TypeArray:
		list := make([]any, r.IntN(3))
		for i := range list {
			list[i] = generate(r, s.Items.Value, depth+1)
		}
		return list
	case openapi3.TypeObject:
		return generateObject(r, s, depth)
	}
	return nil
}

func generateObject(r *rand.Rand, s *openapi3.Schema, depth int) any {
	object := map[string]any{}
	for name, p := range s.Properties {
		required := false
		for _, n := range s.Required {
			required = required || n == name
		}
		if r.IntN(3) == 0 || required && r.IntN(30) != 0 {
			object[name] = generate(r, p.Value, depth+1)
		}
	}
	if more := s.AdditionalProperties.Schema; more != nil {
		for i := range r.IntN(3) {
			object[[]string{"pip", "apt", "A", "a b"}[r.IntN(4)]+strings.Repeat("_", i)] = generate(r, more.Value, depth+1)
		}
	}
	if r.IntN(30) == 0 {
		object[fmt.Sprint("x", r.IntN(3))] = oddities[r.IntN(len(oddities))]
	}
	return object
}
