package api_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

func TestEveryExampleFitsItsSchema(t *testing.T) {
	t.Parallel()
	doc := document(t)
	checked := 0
	check := func(where string, content openapi3.Content) {
		for kind, media := range content {
			if len(media.Examples) == 0 {
				t.Errorf("%s: %s has no example", where, kind)
			}
			for name, example := range media.Examples {
				checked++
				for _, value := range values(t, kind, example.Value.Value) {
					if err := media.Schema.Value.VisitJSON(value, openapi3.MultiErrors()); err != nil {
						t.Errorf("%s: %s, example %s: %v", where, kind, name, err)
					}
				}
			}
		}
	}
	operations(doc, func(method, path string, o *openapi3.Operation) {
		if o.RequestBody != nil {
			check(method+" "+path+" request", o.RequestBody.Value.Content)
		}
		for status, r := range o.Responses.Map() {
			check(method+" "+path+" "+status, r.Value.Content)
		}
	})
	if checked < 100 {
		t.Errorf("only %d examples", checked)
	}
}

// values are the JSON values of an example: one, or those of a stream's frames.
func values(t *testing.T, kind string, example any) []any {
	t.Helper()
	if kind != "text/event-stream" {
		return []any{example}
	}
	var all []any
	for _, line := range strings.Split(example.(string), "\n") {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var value any
			if err := json.Unmarshal([]byte(data), &value); err != nil {
				t.Fatal(err)
			}
			all = append(all, value)
		}
	}
	if len(all) == 0 {
		t.Error("a stream without frames")
	}
	return all
}

func TestExamplesShowEveryShape(t *testing.T) {
	t.Parallel()
	doc := document(t)
	post := doc.Paths.Value("/agents").Post
	for side, examples := range map[string]openapi3.Examples{
		"request": post.RequestBody.Value.Content.Get("application/json").Examples,
		"answer":  post.Responses.Value("201").Value.Content.Get("application/json").Examples,
	} {
		var values []any
		for _, example := range examples {
			values = append(values, example.Value.Value)
		}
		text, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		for _, runtime := range doc.Components.Schemas["Runtime"].Value.Enum {
			if !strings.Contains(string(text), fmt.Sprintf(`"runtime":%q`, runtime)) {
				t.Errorf("no agent of runtime %v in an example of the %s", runtime, side)
			}
		}
		for _, shape := range []string{`"content":`, `"type":"github"`, `"type":"url"`, `"type":"stdio"`} {
			if !strings.Contains(string(text), shape) {
				t.Errorf("nothing with %s in an example of the %s", shape, side)
			}
		}
	}
	stream := doc.Paths.Value("/sessions/{session_id}/stream").Get.Responses.Value("200").Value.Content
	var frames strings.Builder
	for name, example := range stream.Get("text/event-stream").Examples {
		text := example.Value.Value.(string)
		if !framed.MatchString(text + "\n") {
			t.Errorf("example %s is not made of frames:\n%s", name, text)
		}
		frames.WriteString(text)
	}
	for kind := range doc.Components.Schemas["Event"].Value.Discriminator.Mapping {
		if !strings.Contains(frames.String(), fmt.Sprintf(`data: {"type": %q`, kind)) {
			t.Errorf("no frame of an event %s", kind)
		}
	}
}

var framed = regexp.MustCompile(`\A(?:: heartbeat\n\n|(?:id: \d+\n)?data: \{"type": "[ -~]+\}\n\n)+\z`)
