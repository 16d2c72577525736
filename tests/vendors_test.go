package tests

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/agent-on-demand/aod/server"
	"github.com/agent-on-demand/aod/store"
	"github.com/agent-on-demand/aod/tests/model"
)

// vendor is a runtime whose real CLI comes from npm.
type vendor struct {
	runtime, model string
	key            string // variable of the key
	base, path     string // variable of the model service's URL, and what it has behind the host
	refused        string // what the CLI says of a wrong key
	join           string // is between an MCP server's name and its tool's
}

var vendors = []vendor{
	{"claude", "anthropic/claude-sonnet-4-6", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "", "401", "__"},
	{"codex", "openai/gpt-4.1", "OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1", "401 Unauthorized", "__"},
	{"gemini", "google/gemini-2.5-pro", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", "", "401", "_"},
	{"opencode", "anthropic/claude-sonnet-4-6", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "", "401", "_"},
}

const (
	vendorKey = "sk-key-of-the-vendors-test"
	otherKey  = "sk-quite-another-key"
	farToken  = "far-away-and-secret"
)

// bench is a server, a model service and a CLI that talks to it.
type bench struct {
	vendor
	*api
	models *model.Server
	github *github
	logged *transcript
	env    string // environment's id
}

// transcript keeps what a server logs.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *transcript) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (v vendor) bench(t *testing.T, change ...func(*server.Config)) *bench {
	t.Helper()
	models := model.Start(t)
	models.Require(vendorKey)
	b := &bench{vendor: v, models: models, github: newGithub(t, nil), logged: &transcript{}}
	b.api = start(t, append(change, func(c *server.Config) {
		c.Log = slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), b.logged), &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Keys = map[string]store.Secret{v.key: store.NewSecret(vendorKey)}
		c.AllowHosts = []string{strings.TrimPrefix(models.URL(), "http://"), named(models) + "=127.0.0.1"}
		b.github.isGithub(c)
	})...)
	b.env = b.environment("models", b.variables(models.URL()))
	return b
}

// named is the model service by a name that Sprites alone know.
func named(models *model.Server) string {
	return "model.test" + models.URL()[strings.LastIndex(models.URL(), ":"):]
}

func (v vendor) variables(origin string) string {
	return `,"env_vars":{` + quoted(v.base) + `:` + quoted(origin+v.path) + `}`
}

func (b *bench) agent(fields string) string {
	b.t.Helper()
	return b.post("/agents", `{"name":"`+b.runtime+`","model":"`+b.model+`","runtime":"`+b.runtime+`"`+fields+`}`).want(201).text("id")
}

// begin starts a session in the environment.
func (b *bench) begin(agent, prompt string) (session string) {
	b.t.Helper()
	return b.in(agent, prompt, `,"timeout":120,"environment_id":"`+b.env+`"`).want(202).text("id")
}

// completed reads a session to the end of its turn, which has to be good, and returns what the turn has printed.
func (b *bench) completed(session string, turn int) string {
	b.t.Helper()
	all := b.stream(session).rest()
	if end := all[len(all)-1]; end.Type != "exit" || end.Code == nil || *end.Code != 0 {
		b.t.Fatalf("turn %d ended with %+v\n%s\n%s", turn, end, output(all, "stdout", turn), output(all, "stderr", turn))
	}
	return output(all, "stdout", turn)
}

func (b *bench) next(session, prompt string, turn int) string {
	b.t.Helper()
	b.post("/sessions/"+session+"/prompt", `{"prompt":`+quoted(prompt)+`,"timeout":120}`).want(202)
	return b.completed(session, turn)
}

// heard is the newest of the model's main requests.
func (b *bench) heard() model.Request {
	b.t.Helper()
	for _, r := range slices.Backward(b.models.Requests()) {
		if r.Main {
			return r
		}
	}
	b.t.Fatal("the model heard nothing")
	return model.Request{}
}

// Each vendor's real CLI against a scripted model: every case by its name. One CLI runs its cases one after the other, as their start takes
// seconds of the processor.
func TestVendors(t *testing.T) {
	t.Parallel()
	for _, v := range vendors {
		t.Run(v.runtime, func(t *testing.T) {
			t.Parallel()
			b := v.bench(t)
			for name, check := range map[string]func(*bench){
				"says hello":                     (*bench).saysHello,
				"uses a tool and goes on":        (*bench).usesToolAndGoesOn,
				"has system, MCP and skill":      (*bench).hasWhatTheAgentHas,
				"has a skill from GitHub":        (*bench).hasSkillFromGithub,
				"fails with a wrong key":         (*bench).failsWithWrongKey,
				"is terminated in mid-turn":      (*bench).isTerminated,
				"reaches what it may alone":      (*bench).reachesWhatItMay,
				"passes any prompt on":           (*bench).passesPromptsOn,
				"keeps conversations apart":      (*bench).keepsConversationsApart,
				"fails without a good end":       (*bench).failsWithoutGoodEnd,
				"shows its key to nobody at all": (*bench).showsNoKey,
				"is readable in aod run":         (*bench).isReadable,
			} {
				t.Run(name, func(t *testing.T) {
					here, user := *b, *b.api
					user.t, here.api = t, &user
					check(&here)
				})
			}
			if logged := b.logged.String(); !strings.Contains(logged, "turn ended") || strings.Contains(logged, vendorKey) || strings.Contains(logged, farToken) || strings.Contains(logged, otherKey) {
				t.Error("a secret is in the log, or nothing is")
			}
			t.Run("works unconfined", func(t *testing.T) {
				v.bench(t, func(c *server.Config) { c.Isolation = "none" }).usesToolAndGoesOn()
			})
		})
	}
}

func (b *bench) saysHello() {
	if said := b.completed(b.begin(b.agent(""), "hello"), 1); !strings.Contains(said, "Hello from the stub mo") {
		b.t.Errorf("said %s", said)
	}
	_, id, _ := strings.Cut(b.model, "/")
	if heard := b.heard(); !strings.Contains(heard.Model, id) || !slices.Equal(heard.Prompts, []string{"hello"}) {
		b.t.Errorf("the model heard %q by the name %s", heard.Prompts, heard.Model)
	}
}

func (b *bench) usesToolAndGoesOn() {
	first, second := "please [[write hello.txt hi from the agent]] [[write /workspace/more.txt and there, too]]", "and now [[bash cat hello.txt /workspace/more.txt]]"
	session := b.begin(b.agent(""), first)
	b.completed(session, 1)
	if said := b.next(session, second, 2); !strings.Contains(said, "hi from the agent") || !strings.Contains(said, "and there, too") {
		b.t.Errorf("the second turn does not see the first one's file: %s", said)
	}
	if heard := b.heard(); !slices.Equal(heard.Prompts, []string{first, second}) {
		b.t.Errorf("the model heard %q", heard.Prompts)
	}
}

func (b *bench) hasWhatTheAgentHas() {
	url := b.models.URL() + "/mcp"
	agent := b.agent(`,"system":"You are the \"test\".\n\tBe brief.",
		"skills":[{"name":"review-well","description":"Reviews with great care","content":"# How"}],
		"mcp_servers":[{"name":"far","url":` + quoted(url) + `,"headers":{"X-Plain":"of the test","Authorization":"Bearer ${FAR_TOKEN}"}},
			{"name":"near","type":"stdio","command":"python3","args":["-c",` + quoted(model.MCPProgram) + `],"env":{"STUB_MCP_CALLS":"/tmp/calls","MINE":"given"}}]`)
	session := b.in(agent, `call [[tool far`+b.join+`stub_echo {"text":"ping"}]] [[tool near`+b.join+`stub_echo {"text":"pong"}]] [[bash chmod 600 /tmp/calls]] [[bash `+findReadable(farToken)+`]] [[bash cat /tmp/calls]]`,
		`,"timeout":120,"environment_id":"`+b.env+`","secret_env_vars":{"FAR_TOKEN":"`+farToken+`"}`).want(202).text("id")
	said := b.completed(session, 1)
	heard := b.heard()
	if !strings.Contains(heard.System, "You are the \"test\".\n\tBe brief.") {
		b.t.Errorf("system %q", heard.System)
	}
	if !strings.Contains(string(heard.Body), "review-well") || !strings.Contains(string(heard.Body), "Reviews with great care") {
		b.t.Error("the model has not heard of the skill")
	}
	for _, want := range []string{"echo: ping", "echo: pong", foundNone} {
		if !strings.Contains(said, want) {
			b.t.Errorf("no %q in %s", want, said)
		}
	}
	calls := b.models.MCPCalls()
	if n := len(calls); n == 0 || calls[n-1].Text != "ping" || calls[n-1].Header.Get("X-Plain") != "of the test" || calls[n-1].Header.Get("Authorization") != "Bearer "+farToken {
		b.t.Errorf("the server at the URL heard %v", calls)
	}
	if strings.Contains(b.raw(session), farToken) {
		b.t.Error("the server's token is in the stream")
	}
}

func (b *bench) hasSkillFromGithub() {
	b.github.add(b.t, "acme/skills", map[string]string{"skills/draw-well/SKILL.md": "---\nname: draw-well\ndescription: Draws with a steady hand\n---\n\n# How\n"})
	env := b.environment("trusting", b.variables(b.models.URL())+b.github.trusted())
	agent := b.agent(`,"skills":[{"type":"github","source":"acme/skills","name":"draw-well","description":"Draws"}]`)
	b.completed(b.in(agent, "hello", `,"timeout":120,"environment_id":"`+env+`"`).want(202).text("id"), 1)
	if heard := string(b.heard().Body); !strings.Contains(heard, "Draws with a steady hand") {
		b.t.Error("the model has not heard of the skill")
	}
}

func (b *bench) failsWithWrongKey() {
	session := b.in(b.agent(""), "hello", `,"timeout":120,"environment_id":"`+b.env+`","secret_env_vars":{`+quoted(b.key)+`:"`+otherKey+`"}`).want(202).text("id")
	all := b.stream(session).rest()
	if end := all[len(all)-1]; end.Type != "exit" && end.Type != "error" || b.get("/sessions/"+session).text("status") != "failed" {
		b.t.Fatalf("ended with %+v", end)
	}
	if said := output(all, "stdout", 1) + output(all, "stderr", 1); !strings.Contains(said, b.refused) {
		b.t.Errorf("said %s", said)
	}
}

func (b *bench) isTerminated() {
	gate := b.models.Hold()
	defer gate.Release()
	session := b.begin(b.agent(""), "hello")
	<-gate.Entered()
	b.post("/sessions/"+session+"/terminate", "").want(200)
	b.stream(session).rest()
	if status := b.get("/sessions/" + session).text("status"); status != "terminated" {
		b.t.Errorf("status %s", status)
	}
}

func (b *bench) reachesWhatItMay() {
	host := named(b.models)
	limited := b.environment("limited", `,"networking":{"type":"limited","allowed_hosts":[`+quoted(host)+`]}`+b.variables("http://"+host))
	session := b.in(b.agent(""), "see [[bash curl -sS -m 5 http://other.test 2>&1; echo over]]", `,"timeout":120,"environment_id":"`+limited+`"`).want(202).text("id")
	if said := b.completed(session, 1); !strings.Contains(said, "other.test:80 is not on this sprite's network allow-list") || !strings.Contains(said, "over") {
		b.t.Errorf("said %s", said)
	}
}

func (b *bench) passesPromptsOn() {
	agent := b.agent("")
	var session string
	sent := []string{
		"--help -x \"quotes\" 'single' $HOME `id` \\n\nsecond line\r\n\ttab, größer, 日本語, 🙂",
		"/clear the table",
		"?what is this",
		"!ls -la",
		"@nobody said so",
		"-",
		strings.Repeat("0123456789 \"$`\\ äö\n", 200<<10/20) + "end",
	}
	for i, prompt := range sent {
		if i == 0 {
			session = b.begin(agent, prompt)
			b.completed(session, 1)
		} else {
			b.next(session, prompt, i+1)
		}
		if heard := b.heard().Prompts; !slices.EqualFunc(heard, sent[:i+1], b.same) {
			b.t.Errorf("of %.60q the model heard %.500q", prompt, heard)
		}
	}
}

// same says whether the model heard a prompt as it was sent: but for white space at its ends, which some trim, and for what keeps the
// CLI from taking it for a command.
func (b *bench) same(heard, sent string) bool {
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(heard), "Request:\n")) == strings.TrimSpace(sent)
}

func (b *bench) keepsConversationsApart() {
	agent := b.agent("")
	const turns = 3
	var work sync.WaitGroup
	for name := range strings.SplitSeq("one two", " ") {
		work.Go(func() {
			var session string
			for turn := 1; turn <= turns; turn++ {
				prompt := fmt.Sprintf("session %s, turn %d", name, turn)
				if turn == 1 {
					session = b.begin(agent, prompt)
					b.completed(session, 1)
				} else {
					b.next(session, prompt, turn)
				}
			}
		})
	}
	work.Wait()
	found := map[string]int{}
	for _, r := range b.models.Requests() {
		if len(r.Prompts) == 0 || !strings.HasPrefix(r.Prompts[0], "session ") || !r.Main {
			continue
		}
		var name string
		fmt.Sscanf(r.Prompts[0], "session %s", &name)
		for i, prompt := range r.Prompts {
			if want := fmt.Sprintf("session %s turn %d", name, i+1); prompt != want {
				b.t.Errorf("the model heard %q in place of %q", prompt, want)
			}
		}
		found[name] = max(found[name], len(r.Prompts))
	}
	if found["one,"] != turns || found["two,"] != turns {
		b.t.Errorf("the model heard %v prompts", found)
	}
}

func (b *bench) failsWithoutGoodEnd() {
	session := b.begin(b.agent(""), "[[fail]]")
	all := b.stream(session).rest()
	if status := b.get("/sessions/" + session).text("status"); status != "failed" {
		b.t.Errorf("status %s: %+v\n%s", status, all[len(all)-1], output(all, "stdout", 1))
	}
}

// findReadable is a command that lists the command lines and the files that others can read where a secret is, and one file that it makes
// itself, to be found.
func findReadable(secret string) string {
	pattern := `'[` + secret[:1] + `]` + secret[1:] + `'` // no match for itself
	return `printf '%s' ` + secret[:1] + `''` + secret[1:] + ` > /tmp/control; (grep -ls ` + pattern + ` /proc/[0-9]*/cmdline
find /home /workspace /tmp /etc /run /var /opt /root /dev/shm -type f '(' -perm -o+r -o -perm -g+r ')' -exec grep -ls ` + pattern + ` '{}' +) | tr '\n' ' ' | sed 's/^/found /; s/$/over/'`
}

// foundNone is what it says where the secret is nowhere.
const foundNone = "found /tmp/control over"

func (b *bench) showsNoKey() {
	session := b.begin(b.agent(""), "look [[bash "+findReadable(vendorKey)+"]]")
	said := b.completed(session, 1)
	if !strings.Contains(said, foundNone) || strings.Contains(b.raw(session), vendorKey) {
		b.t.Errorf("said %s", said)
	}
}

func (b *bench) isReadable() {
	r := b.aod("run", "--agent", b.agent(""), "--environment", b.env, "please [[bash echo it works]]")
	if said := r.ok(); !strings.Contains(said, "→ ") || !strings.Contains(said, "echo it works") || !strings.Contains(said, "TOOL RESULT: ") || !strings.Contains(said, "\n✓ Done · ") || strings.Contains(said, `{"`) {
		b.t.Errorf("said %s", said)
	}
}
