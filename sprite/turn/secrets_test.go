package turn

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/store"
)

func sealed(pairs ...string) map[string]store.Secret {
	values := map[string]store.Secret{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = store.NewSecret(pairs[i+1])
	}
	return values
}

func TestSecretsOfSession(t *testing.T) {
	t.Parallel()
	w := &worker{
		Supervisor: &Supervisor{Options: Options{Keys: sealed("ANTHROPIC_API_KEY", "operator's")}},
		brief: &store.Brief{
			Variables:    sealed("ANY", "variable-1", "SHORT", "seven77", "SAME", "variable-1", "EMPTY", ""),
			Repositories: sealed("/w", "repo/token"),
			Environment: store.EnvironmentSpec{EnvVars: sealed("PLAIN", "not hidden", "MY_API_KEY", "env-key-1", "github_token", "env-token", "DB_Password", "pässwörd",
				"CREDENTIALS_FILE", "/home/sprite/credentials", "TheSecret", "env-secret")},
			Agent: store.AgentSpec{MCPServers: []json.RawMessage{
				json.RawMessage(`{"name":"a","url":"https://x","headers":{"authorization":"Bearer header-1","X-Api-Key":"header-2","Cookie":"session=1","Accept":"application/json","Number-Key":12345678},"env":{"PATH":"/usr/bin:/bin"}}`),
				json.RawMessage(`{"name":"b","type":"stdio","headers":null,"env":{"API_TOKEN":"Token of mcp","A":"not hidden"},"ENV":{"API_TOKEN":"not hidden"}}`),
				json.RawMessage(`"broken"`),
			}},
		},
	}
	want := []string{
		"operator's", `operator'\''s`, "operator%27s", "variable-1", "repo/token", "repo%2Ftoken",
		"env-key-1", "env-token", "pässwörd", `p\u00e4ssw\u00f6rd`, "p%C3%A4ssw%C3%B6rd", "/home/sprite/credentials", "%2Fhome%2Fsprite%2Fcredentials", "env-secret",
		"Bearer header-1", "Bearer%20header-1", "Bearer+header-1", "header-1", "header-2", "session=1", "session%3D1", "Token of mcp", "Token%20of%20mcp", "Token+of+mcp",
	}
	slices.Sort(want)
	if got := w.secrets(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := w.masked("a variable-1 of operator's"); got != "a [redacted] of [redacted]" {
		t.Errorf("got %q", got)
	}
	w.brief = nil // it could not be read
	if got := w.masked("a variable-1 of operator's"); got != "a variable-1 of [redacted]" {
		t.Errorf("got %q", got)
	}
}

// A secret is known in whatever an encoder makes of it, and so is each of its lines.
func TestSecretsInEveryForm(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"plain-text", `quote " and \ and / and '`, "<html>&amp;", "é \u2028 \u2029 \U0001f600 \x7f", "tabs\t\b\f\r\x00\x1b",
		"-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\n\"quoted\"line\r\n\tindented line\nshort\n-----END KEY-----\n",
	} {
		w := &worker{Supervisor: &Supervisor{}, brief: &store.Brief{Variables: sealed("A", text)}}
		plain, html := encoded(t, text, false), encoded(t, text, true)
		for _, form := range []string{text, plain, html, strings.Trim(quote(text), "'"), url.QueryEscape(text), url.PathEscape(text), url.UserPassword(text, "x").String()} {
			got := w.masked("<" + form + ">")
			if kept := strings.ReplaceAll(got, mask, ""); !strings.HasPrefix(got, "<"+mask) || len(kept) > len("<:x>") {
				t.Errorf("%q is shown as %q", form, got)
			}
		}
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if len(line) < shortestSecret {
				continue
			}
			for _, form := range []string{line, encoded(t, line, false), encoded(t, line, true)} {
				if got := w.masked("<" + form + ">"); got != "<"+mask+">" {
					t.Errorf("the line %q is shown as %q", form, got)
				}
			}
		}
	}
}

// encoded is what is between the quotes of a text in JSON.
func encoded(t *testing.T, text string, html bool) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	if err := e.Encode(text); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), `"`), "\"\n")
}
