package server

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/agent-on-demand/aod/api"
	"github.com/agent-on-demand/aod/gen"
	"github.com/agent-on-demand/aod/store"
)

// bodies are what the handlers decode, by the route of their operation.
var bodies = map[string]func() any{
	"POST /agents":                      func() any { return new(gen.AgentCreate) },
	"PUT /agents/:agent_id":             func() any { return new(gen.AgentUpdate) },
	"POST /environments":                func() any { return new(gen.EnvironmentCreate) },
	"PUT /environments/:environment_id": func() any { return new(gen.EnvironmentUpdate) },
	"POST /sessions":                    func() any { return new(gen.SessionCreate) },
	"POST /sessions/:session_id/prompt": func() any { return new(gen.SessionPrompt) },
}

// Whatever is sent, the validator either refuses it with a refusal that is meant
// for the client, or hands on what the generated types take.
func FuzzBodies(f *testing.F) {
	v, err := newValidator(api.Document, rules, nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		`{"name":"x","runtime":"shell","skills":[null,{"name":"a","description":"d","content":"c"}],"mcp_servers":[{"name":"n","url":"u","headers":{}}],"metadata":{"a":null}}`,
		`{"version":"1","networking":{"type":"limited","allowed_hosts":["h"]},"packages":{"pip":["x"]},"env_vars":{"A":"1"},"environment_id":null}`,
		`{"agent_id":"a","prompt":"p","timeout":30.0,"resources":[{"type":"github_repository","url":"https://github.com/a/b","mount_path":null}],"secret_env_vars":{}}`,
		`{"prompt":"p","timeout":true,"Timeout":"x","version":1e99}`, `[]`, `null`, `{"name":{"a":[1,2,{"b":null}]}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for route, body := range bodies {
			checked, err := v.check(v.operations[route], []byte(text))
			var refusal *store.Error
			var bad *invalid
			switch {
			case errors.As(err, &refusal), errors.As(err, &bad):
				if _, _, known := answer(err); !known {
					t.Errorf("%s: %v is not answered", route, err)
				}
			case err != nil:
				t.Errorf("%s: %v", route, err)
			default:
				if err := json.Unmarshal(checked, body()); err != nil {
					t.Errorf("%s: the validator lets %s through: %v", route, checked, err)
				}
			}
		}
	})
}
