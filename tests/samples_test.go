package tests

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// A stranger pastes a sample, puts in a URL, a token and ids, and it runs.
func TestSamplesOfTheDocumentRun(t *testing.T) {
	t.Parallel()
	a := start(t)
	agent := a.post("/agents", `{"name":"hello","model":"local/bash","runtime":"shell"}`).want(201).text("id")
	session := a.post("/sessions", `{"agent_id":"`+agent+`","prompt":"echo hello"}`).want(202).text("id")
	a.stream(session).rest()
	own := strings.NewReplacer("http://localhost:8777", a.url, "aod_...", a.token,
		"6d1f3c52-3f0e-4a52-9a55-2b1d5c1f7f10", agent, "9b2c1b0e-8a53-4f0e-a1a7-2f7c6f3e5d90", session)
	packages, err := pythonPackages()
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "AOD_API_URL="+a.url, "AOD_API_TOKEN="+a.token, "AGENT="+agent, "SESSION="+session, "PYTHONPATH="+packages)
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range []struct{ lang, path, method, program, prints string }{
		{"curl", "/agents", "POST", "bash", `"model":"anthropic/claude-sonnet-4-6"`},
		{"curl", "/sessions", "POST", "bash", `"status":"pending"`},
		{"curl", "/sessions/{session_id}/stream", "GET", "bash", `"data": "hello\n"`},
		{"Python", "/agents", "POST", "python3", ""},
		{"Python", "/sessions", "POST", "python3", ""},
		{"Python", "/sessions/{session_id}/stream", "GET", "python3", "hello\n"},
		{"TypeScript", "/agents", "POST", "node", ""},
		{"TypeScript", "/sessions", "POST", "node", ""},
		{"TypeScript", "/sessions/{session_id}/stream", "GET", "node", "hello\n"},
	} {
		t.Run(sample.lang+" "+sample.path, func(t *testing.T) {
			source := sampleOf(t, doc.Paths.Value(sample.path).Operations()[sample.method], sample.lang)
			flags := []string{"-c"}
			if sample.program == "node" {
				flags = []string{"--input-type=module", "-e"}
			}
			cmd := exec.CommandContext(t.Context(), sample.program, append(flags, own.Replace(source))...)
			cmd.Env, cmd.Dir = env, typescriptSDK(t)
			var out, words bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &words
			if err := cmd.Run(); err != nil || !strings.Contains(out.String(), sample.prints) {
				t.Errorf("%v, printed %q, want %q\n%s\n%s", err, out.String(), sample.prints, words.String(), source)
			}
		})
	}
	if made := len(a.listed("/agents")); made != 4 {
		t.Errorf("%d agents after three samples that create one", made)
	}
	if started := len(a.listed("/sessions")); started != 4 {
		t.Errorf("%d sessions after three samples that start one", started)
	}
}

// listed returns the entries of a list.
func (a *api) listed(path string) []any {
	a.t.Helper()
	var list struct{ Data []any }
	a.get(path).want(200).into(&list)
	return list.Data
}

func sampleOf(t *testing.T, o *openapi3.Operation, lang string) string {
	t.Helper()
	samples, _ := o.Extensions["x-codeSamples"].([]any)
	for _, sample := range samples {
		if fields := sample.(map[string]any); fields["lang"] == lang {
			return fields["source"].(string)
		}
	}
	t.Fatalf("%s has no sample in %s", o.OperationID, lang)
	return ""
}
