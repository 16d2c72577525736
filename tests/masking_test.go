package tests

import (
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/server"
	"github.com/agent-on-demand/aod/store"
)

// What a session knows as secret is hidden where its turns and its provisioning
// print it, however they do.
func TestSecretsAreHiddenInRows(t *testing.T) {
	t.Parallel()
	s := secrets{}
	a := start(t, func(c *server.Config) {
		c.Keys = map[string]store.Secret{"OPENAI_API_KEY": store.NewSecret(s.plant("OPENAI_API_KEY"))}
	})
	a.promise("8.10 secrets are hidden, also when they come in parts", func(a *api) {
		env := a.environment("secret", `,"env_vars":{"DB_PASSWORD":"`+s.plant("DB_PASSWORD")+`","PLAIN":"shown as it is"}`)
		agent := a.post("/agents", `{"name":"x","runtime":"shell","mcp_servers":[{"name":"a","url":"https://x","headers":{"Authorization":"Bearer `+s.plant("an MCP header")+`"}}]}`).want(201).text("id")
		const script = `half=$(( ${#S} / 2 ))
printf 'in halves %s' "${S:0:half}"; sleep 0.3; printf '%s\n' "${S:half}"
echo "S=$S OPENAI_API_KEY=$OPENAI_API_KEY DB_PASSWORD=$DB_PASSWORD PLAIN=$PLAIN"
echo "$S" >&2
for i in $(seq 0 $(( ${#S} - 1 ))); do printf %s "${S:i:1}"; done; echo
printf '{"content":"%s"}\n' "$(printf '%s' "$LINES_OF_KEY" | sed -z 's/"/\\"/g; s/\n/\\n/g')"
echo "$LINES_OF_KEY" | tail -n 1
printf '%s' "$S" | sha256sum | wc -c
printf %s "${S:0:half}"`
		fields := `,"environment_id":"` + env + `","secret_env_vars":{"S":"` + s.plant("secret_env_vars") + `","LINES_OF_KEY":` + quoted(`"`+s.plant("the first line")+"\"\n"+s.plant("the second line")) + `}`
		id := a.in(agent, script+"\necho; echo "+s.plant("an MCP header"), fields).want(202).text("id")
		stream := a.stream(id)
		all := stream.rest()
		s.in(a.t, "the stream", stream.raw.String())
		half := s["secret_env_vars"][:len(s["secret_env_vars"])/2]
		want := "in halves [redacted]\nS=[redacted] OPENAI_API_KEY=[redacted] DB_PASSWORD=[redacted] PLAIN=shown as it is\n[redacted]\n{\"content\":\"[redacted]\"}\n[redacted]\n68\n" + half + "\n[redacted]\n"
		if got := output(all, "stdout", 1); got != want {
			a.t.Errorf("stdout %q, want %q", got, want)
		}
		if got := output(all, "stderr", 1); got != "[redacted]\n" {
			a.t.Errorf("stderr %q", got)
		}
	})
	a.promise("8.3 what a failed stage quotes has no secrets, also where the quote begins", func(a *api) {
		env := a.environment("leaking", `,"setup_script":"printf %s '`+s.plant("secret_env_vars")+`' >&2; for i in $(seq 1980); do printf . >&2; done; false"`)
		id := a.in(a.shell(), "echo never", `,"environment_id":"`+env+`","secret_env_vars":{"S":"`+s.plant("secret_env_vars")+`"}`).want(202).text("id")
		stream := a.stream(id)
		want := "provision failed: Provisioning script failed: exit code 1\nstderr:\n[redacted]" + strings.Repeat(".", 1980) + "\n"
		if got := output(stream.rest(), "stderr", 1); got != want {
			a.t.Errorf("stderr %q", got)
		}
		if tail := s["secret_env_vars"][len(s["secret_env_vars"])-8:]; strings.Contains(stream.raw.String(), tail) {
			a.t.Errorf("the end of a secret is in the stream: %s", stream.raw.String())
		}
	})
}
