package tests

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// secrets are texts that must not be seen, by the place that they were put in.
type secrets map[string]string

// plant makes a secret for a place.
func (s secrets) plant(place string) string {
	if s[place] == "" {
		s[place] = "hush" + rand.Text()
	}
	return s[place]
}

// in fails the test if one of the secrets is in a text.
func (s secrets) in(t *testing.T, where, text string) {
	t.Helper()
	for place, secret := range s {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("the secret of %s is in %s: …%s…", place, where, text[max(0, i-100):min(len(text), i+len(secret)+40)])
		}
	}
}

// commandLines are those of all processes of this machine.
func commandLines(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, path := range paths {
		if text, err := os.ReadFile(path); err == nil { // else it has ended
			b.Write(text)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// What is secret appears in no answer, no line of the log, no process's command line
// and not in the database.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	s := secrets{}
	key := make([]byte, 32)
	rand.Read(key)
	s["the encryption key"] = base64.StdEncoding.EncodeToString(key)
	dir := dataDir(t)
	a := spawnIn(t, dir, os.Getuid(), "AOD_LOG_LEVEL=debug", "AOD_ENCRYPTION_KEY="+s["the encryption key"],
		"ANTHROPIC_API_KEY="+s.plant("ANTHROPIC_API_KEY"), "OPENAI_API_KEY="+s.plant("OPENAI_API_KEY"), "CLAUDE_CODE_OAUTH_TOKEN="+s.plant("CLAUDE_CODE_OAUTH_TOKEN"))
	s["the token"] = a.token
	servers := secrets{} // agents are answered with them
	check := func(what string, got reply) reply {
		t.Helper()
		s.in(t, "the answer to "+what, got.body+fmt.Sprint(got.header))
		if got.status >= 400 {
			servers.in(t, "the answer to "+what, got.body)
		}
		return got
	}

	agent := check("agent", a.keyed("agent", "/agents", `{"name":"x","runtime":"shell","mcp_servers":[{"name":"a","url":"https://x?k=`+servers.plant("MCP url")+`","headers":{"Authorization":"`+servers.plant("MCP headers")+`"}},
		{"name":"b","type":"stdio","command":"c","args":["`+servers.plant("MCP args")+`"],"env":{"A":"`+servers.plant("MCP env")+`"}}]}`)).want(201).text("id")
	check("agent update", a.put("/agents/"+agent, `{"version":1,"mcp_servers":[{"name":"a","url":"u","headers":{"A":"`+servers.plant("MCP headers of version 2")+`"}}]}`)).want(200)
	env := check("environment", a.keyed("environment", "/environments", `{"name":"e","env_vars":{"ONE":"`+s.plant("env_vars")+`"},"setup_script":"sleep 0.2"}`)).want(201).text("id")
	check("environment update", a.put("/environments/"+env, `{"version":1,"env_vars":{"ONE":"`+s.plant("env_vars of version 2")+`"}}`)).want(200)
	fields := `"environment_id":"` + env + `","secret_env_vars":{"TWO":"` + s.plant("secret_env_vars") + `"}`
	blocked := check("session", a.keyed("session", "/sessions", `{"agent_id":"`+agent+`","prompt":"echo up; exec sleep 1000",`+fields+`}`)).want(202).text("id")
	cloning := check("session", a.post("/sessions", `{"agent_id":"`+agent+`","prompt":"true",`+fields+`,"resources":[{"type":"github_repository","url":"https://github.com/o/r","authorization_token":"`+s.plant("authorization_token")+`"}]}`)).want(202).text("id")
	for _, id := range []string{blocked, cloning} {
		stream := a.stream(id)
		stream.until(func(ev event) bool {
			s.in(t, "a command line", commandLines(t))
			servers.in(t, "a command line", commandLines(t))
			return ev.Data == "up\n" || ev.Type == "error"
		})
		s.in(t, "the stream", stream.raw.String())
	}
	if got := a.turns(blocked)[0].Status; got != "running" {
		t.Errorf("the turn is %s", got)
	}

	secret := func(place string) string { return s.plant(place) }
	for place, got := range map[string]reply{
		"a list for env_vars":            a.post("/environments", `{"name":"x","env_vars":["`+secret("a list for env_vars")+`"]}`),
		"a bad value of env_vars":        a.post("/environments", `{"name":"x","env_vars":{"A":["`+secret("a bad value of env_vars")+`"]}}`),
		"a bad key of env_vars":          a.post("/environments", `{"name":"x","env_vars":{"A-B":"`+secret("a bad key of env_vars")+`"}}`),
		"env_vars without a name":        a.post("/environments", `{"env_vars":{"A":"`+secret("env_vars without a name")+`"}}`),
		"secret_env_vars without prompt": a.post("/sessions", `{"agent_id":"x","secret_env_vars":{"A":"`+secret("secret_env_vars without prompt")+`"}}`),
		"a token of a wrong type":        a.post("/sessions", `{"agent_id":"x","prompt":"x","resources":[{"type":"github_repository","url":"https://github.com/o/r","authorization_token":["`+secret("a token of a wrong type")+`"]}]}`),
		"a token beside a wrong url":     a.post("/sessions", `{"agent_id":"x","prompt":"x","resources":[{"url":1,"authorization_token":"`+secret("a token beside a wrong url")+`"}]}`),
		"a URL's user":                   a.post("/sessions", `{"agent_id":"x","prompt":"x","resources":[{"type":"github_repository","url":"https://`+secret("a URL's user")+`@github.com/o/r"}]}`),
		"a body that is a text":          a.post("/sessions", `"`+secret("a body that is a text")+`"`),
		"a body encoded twice":           a.post("/sessions", quoted(`{"secret_env_vars":{"A":"`+secret("a body encoded twice")+`"}}`)),
		"a body that is no JSON":         a.post("/sessions", `{"secret_env_vars":{"A":"`+secret("a body that is no JSON")+`"`),
		"an unknown agent":               a.post("/sessions", `{"agent_id":"`+nobodys+`","prompt":"x","secret_env_vars":{"A":"`+secret("an unknown agent")+`"}}`),
		"headers of a wrong server":      a.post("/agents", `{"name":"x","runtime":"shell","mcp_servers":[{"name":"a","headers":{"A":"`+secret("headers of a wrong server")+`"}}]}`),
		"servers encoded twice":          a.post("/agents", `{"name":"x","runtime":"shell","mcp_servers":`+quoted(`[{"headers":"`+secret("servers encoded twice")+`"}]`)+`}`),
		"the query":                      a.get("/agents?limit=1&access_token=" + secret("the query")),
		"a bad query":                    a.get("/agents?%zz&limit=x&access_token=" + secret("a bad query")),
		"an unknown path":                a.get("/agents/" + secret("an unknown path")),
		"a bad token":                    a.as(secret("a bad token")).get("/agents"),
		"a header of the wrong form":     a.as("").call("GET", "/agents", "", "Authorization", secret("a header of the wrong form")),
		"a header that is not ours":      a.call("GET", "/agents", "", "X-Api-Key", secret("a header that is not ours"), "Cookie", secret("a cookie")),
		"a bad Idempotency-Key":          a.keyed(secret("a bad Idempotency-Key")+" x", "/agents", "{}"),
	} {
		check(place, got)
	}
	for _, path := range []string{"/sessions", "/environments", "/environments/" + env, "/environments/" + env + "/versions", "/sessions/" + blocked, "/sessions/" + blocked + "/turns", "/health", "/openapi.yaml"} {
		check(path, a.get(path))
	}
	check("a replay", a.keyed("environment", "/environments", `{"name":"e"}`)).want(409)
	all := secrets{}
	for _, planted := range []secrets{s, servers} {
		for place, text := range planted {
			all[place] = text
		}
	}
	inDatabase := func() {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, "aod.db*"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.in(t, filepath.Base(file), string(text))
		}
	}
	inDatabase()
	a.endSessions()
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	inDatabase()
	all.in(t, "the log", a.log())
	if !strings.Contains(a.log(), `"level":"DEBUG"`) {
		t.Error("the log has no line at debug level")
	}
}
