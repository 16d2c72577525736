package api_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"

	"github.com/agent-on-demand/aod/api"
)

// document loads the document as the server does: labelled 3.0.3, which kin-openapi
// checks with its own validator.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	doc.OpenAPI = "3.0.3"
	return doc
}

// operations calls do for every operation of the document.
func operations(doc *openapi3.T, do func(method, path string, o *openapi3.Operation)) {
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			do(method, path, o)
		}
	}
}

var (
	camelCase = regexp.MustCompile(`\A[a-z]+([A-Z][a-z]*)+\z`)
	ignored   = []string{"const", "if", "then", "else", "prefixItems", "patternProperties", "dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "contains", "anyOf"}
)

func TestEveryOperationIsDescribed(t *testing.T) {
	t.Parallel()
	doc := document(t)
	seen := map[string]bool{}
	tags := map[string]bool{}
	for _, tag := range doc.Tags {
		tags[tag.Name] = tag.Description != ""
	}
	operations(doc, func(method, path string, o *openapi3.Operation) {
		if !camelCase.MatchString(o.OperationID) || seen[o.OperationID] {
			t.Errorf("%s %s: operationId %q", method, path, o.OperationID)
		}
		seen[o.OperationID] = true
		if o.Summary == "" || len(o.Summary) > 60 || o.Description == "" {
			t.Errorf("%s: summary %q, description %q", o.OperationID, o.Summary, o.Description)
		}
		if len(o.Tags) != 1 || !tags[o.Tags[0]] {
			t.Errorf("%s: tags %v", o.OperationID, o.Tags)
		}
		want := []string{"500"}
		if o.Security == nil {
			want = append(want, "401")
		} else {
			want = nil
		}
		if strings.Contains(path, "{") {
			want = append(want, "404")
		}
		if o.RequestBody != nil {
			want = append(want, "400", "408", "413", "422")
		}
		if o.Parameters.GetByInAndName("query", "limit") != nil {
			want = append(want, "422")
		}
		for _, status := range want {
			if o.Responses.Value(status) == nil {
				t.Errorf("%s lists no %s", o.OperationID, status)
			}
		}
	})
	if len(seen) != 26 {
		t.Errorf("%d operations", len(seen))
	}
}

// Tools read the list, people the description.
func TestEveryEnumSaysWhatItsValuesMean(t *testing.T) {
	t.Parallel()
	found := 0
	for name, schema := range document(t).Components.Schemas {
		values := schema.Value.Enum
		if len(values) == 0 {
			continue
		}
		found++
		meanings, _ := schema.Value.Extensions["x-enum-descriptions"].([]any)
		if len(meanings) != len(values) {
			t.Errorf("%s has %d values and %d meanings", name, len(values), len(meanings))
			continue
		}
		for i, value := range values {
			if line := fmt.Sprintf("- `%v`: %v\n", value, meanings[i]); !strings.Contains(schema.Value.Description, line) {
				t.Errorf("the description of %s lacks the line %q", name, line)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d enums", found)
	}
}

func TestUpdatesSayWhatOmittedAndNullDo(t *testing.T) {
	t.Parallel()
	for name, schema := range document(t).Components.Schemas {
		if !strings.HasSuffix(name, "Update") {
			continue
		}
		for field, p := range schema.Value.Properties {
			words := p.Value.Description
			if !slices.Contains(schema.Value.Required, field) && !(strings.Contains(words, "Omitted") && strings.Contains(words, "null") && strings.Contains(words, "a value")) {
				t.Errorf("%s.%s: %s", name, field, words)
			}
		}
	}
}

func TestCallsOfTheQuickstartHaveSamples(t *testing.T) {
	t.Parallel()
	operations(document(t), func(_, _ string, o *openapi3.Operation) {
		if !slices.Contains([]string{"createAgent", "createSession", "streamSession"}, o.OperationID) {
			return
		}
		var langs []any
		samples, _ := o.Extensions["x-codeSamples"].([]any)
		for _, sample := range samples {
			langs = append(langs, sample.(map[string]any)["lang"])
		}
		if !slices.Equal(langs, []any{"curl", "Python", "TypeScript", "Go"}) {
			t.Errorf("%s has samples in %v", o.OperationID, langs)
		}
	})
}

// kin-openapi ignores these keywords where it checks requests: what they say would
// not be enforced.
func TestRequestsUseOnlyKeywordsThatAreEnforced(t *testing.T) {
	t.Parallel()
	var root yaml.Node
	if err := yaml.Unmarshal(api.Document, &root); err != nil {
		t.Fatal(err)
	}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, child := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 && slices.Contains(ignored, child.Value) {
				t.Errorf("line %d: %s", child.Line, child.Value)
			}
			walk(child)
		}
	}
	for name, schema := range mapping(t, &root, "components", "schemas") {
		if strings.HasSuffix(name, "Create") || strings.HasSuffix(name, "Update") || name == "SessionPrompt" {
			walk(schema)
		}
	}
}

// The wire has the properties in the order in which they are written, and the
// generator goes by x-order.
func TestPropertiesAreOrderedAsWritten(t *testing.T) {
	t.Parallel()
	var root yaml.Node
	if err := yaml.Unmarshal(api.Document, &root); err != nil {
		t.Fatal(err)
	}
	for name, schema := range mapping(t, &root, "components", "schemas") {
		properties := child(schema, "properties")
		if properties == nil {
			continue
		}
		for i := 0; i < len(properties.Content); i += 2 {
			order := child(properties.Content[i+1], "x-order")
			var n int
			if order == nil || order.Decode(&n) != nil || n != i/2+1 {
				t.Errorf("%s.%s has the wrong x-order", name, properties.Content[i].Value)
			}
			if child(properties.Content[i+1], "description") == nil {
				t.Errorf("%s.%s has no description", name, properties.Content[i].Value)
			}
		}
	}
}

// optional are the schemas whose objects need not have all their keys: they come
// from requests, or the contract says so.
var optional = map[string]bool{
	"StageEvent": true, "Networking": true, "GithubSkill": true, "McpServerURL": true, "McpServerStdio": true,
	"AgentList": true, "EnvironmentList": true, "SessionList": true, // only pages say whether there are more
}

// Everything in an answer is always there; what may be nothing is null.
func TestAnswersAlwaysHaveAllTheirKeys(t *testing.T) {
	t.Parallel()
	for name, schema := range document(t).Components.Schemas {
		if strings.HasSuffix(name, "Create") || strings.HasSuffix(name, "Update") || name == "SessionPrompt" || optional[name] {
			continue
		}
		var names []string
		for property := range schema.Value.Properties {
			names = append(names, property)
		}
		required := slices.Clone(schema.Value.Required)
		sort.Strings(required)
		sort.Strings(names)
		if !slices.Equal(names, required) {
			t.Errorf("%s has %v and requires %v", name, names, required)
		}
	}
}

func mapping(t *testing.T, root *yaml.Node, path ...string) map[string]*yaml.Node {
	t.Helper()
	n := root.Content[0]
	for _, name := range path {
		if n = child(n, name); n == nil {
			t.Fatal("no ", path)
		}
	}
	entries := map[string]*yaml.Node{}
	for i := 0; i < len(n.Content); i += 2 {
		entries[n.Content[i].Value] = n.Content[i+1]
	}
	return entries
}

func child(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

func TestJSONIsTheSameDocumentInTheSameOrder(t *testing.T) {
	t.Parallel()
	text, err := api.JSON(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(fromJSON.Paths.Map()), len(document(t).Paths.Map()); got != want {
		t.Errorf("%d paths, want %d", got, want)
	}
	if !strings.HasPrefix(string(text), "{\n  \"openapi\": \"3.1.0\",\n  \"info\": {\n    \"title\"") {
		t.Errorf("it begins %.80s", text)
	}
}

func TestTimesHaveMicrosecondsAndAnOffset(t *testing.T) {
	t.Parallel()
	for given, want := range map[time.Time]string{
		time.Date(2026, 4, 17, 14, 0, 0, 0, time.UTC):                       `"2026-04-17T14:00:00.000000+00:00"`,
		time.Date(2026, 4, 17, 16, 0, 0, 1999, time.FixedZone("", 2*60*60)): `"2026-04-17T14:00:00.000001+00:00"`,
	} {
		text, err := json.Marshal(api.Time{Time: given})
		if err != nil || string(text) != want {
			t.Errorf("%v is %s, want %s: %v", given, text, want, err)
		}
		var back api.Time
		if err := json.Unmarshal(text, &back); err != nil || !back.Equal(given.Truncate(time.Microsecond)) {
			t.Errorf("%s reads as %v: %v", text, back, err)
		}
	}
}
