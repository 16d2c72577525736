package runtimes

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	codexConfigFile = home + "/.codex/config.toml"
	codexRoot       = home + "/.codex/skills"
)

var _ = register(&Runtime{
	Name:      "codex",
	Providers: []string{"openai"},
	Keys:      []string{"OPENAI_API_KEY"},
	Install: &Package{
		Name:     "@openai/codex",
		Version:  "0.169.0",
		Binary:   "codex",
		platform: "@openai/codex-linux",
		programs: map[string]map[string]string{
			"amd64": {"codex": "vendor/x86_64-unknown-linux-musl/bin/codex", "rg": "vendor/x86_64-unknown-linux-musl/codex-path/rg"},
			"arm64": {"codex": "vendor/aarch64-unknown-linux-musl/bin/codex", "rg": "vendor/aarch64-unknown-linux-musl/codex-path/rg"},
		},
	},
	config:  codexConfig,
	skills:  func(a Agent) ([]File, [][]string, error) { return skills(a, codexRoot, "codex") },
	command: codexCommand,
	judge:   codexVerdict,
	names:   true,
})

// codexSettings are for a program that nobody watches: it gives up after 25 s
// without the model's service, where it would wait for ever, and reports to nobody
// (5 s a run without internet). The key is read from the environment, so that no file has
// it; a snapshot of the shell would be one that everybody can read.
const codexSettings = `model_provider = "aod"
check_for_update_on_startup = false
%s
[analytics]
enabled = false

[features]
unbounded_connection_retries = false
shell_snapshot = false

[model_providers.aod]
name = "OpenAI"
base_url = %s
env_key = "OPENAI_API_KEY"
wire_api = "responses"
supports_websockets = false
request_max_retries = 3
stream_max_retries = 3
`

// codexCommand is told of the prompt by its "-". The conversation's name is codex's own.
func codexCommand(t Turn) Command {
	argv := []string{"codex", "exec"}
	if t.Number > 1 {
		argv = append(argv, "resume")
	}
	argv = append(argv, "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json")
	if _, model, ok := strings.Cut(t.Model, "/"); ok {
		argv = append(argv, "--model", model)
	}
	if t.Number > 1 {
		argv = append(argv, t.Conversation)
	}
	return Command{Argv: append(argv, "-"), Stdin: []byte(t.Prompt)}
}

func codexConfig(a Agent) ([]File, error) {
	servers, err := mcpServers(a)
	if err != nil {
		return nil, err
	}
	instructions := ""
	if a.System != "" {
		instructions = "developer_instructions = " + tomlString(a.System) + "\n"
	}
	var text strings.Builder
	fmt.Fprintf(&text, codexSettings, instructions, tomlString(a.baseURL("OPENAI_BASE_URL", "https://api.openai.com/v1")))
	for _, s := range servers {
		codexServer(&text, a, s)
	}
	return []File{{Path: codexConfigFile, Data: []byte(text.String()), Mode: 0o600}}, nil
}

// codexServer writes the table of a server. Codex takes headers from variables only
// as a whole, or as a bearer's token; in other places they are filled in here.
func codexServer(text *strings.Builder, a Agent, s mcpServer) {
	fmt.Fprintf(text, "\n[mcp_servers.%s]\n", tomlString(s.Name))
	if s.Type == "stdio" {
		fmt.Fprintf(text, "command = %s\n", tomlString(a.filled(s.Command)))
		if len(s.Args) > 0 {
			args := make([]string, len(s.Args))
			for i, arg := range s.Args {
				args[i] = tomlString(a.filled(arg))
			}
			fmt.Fprintf(text, "args = [%s]\n", strings.Join(args, ", "))
		}
		tomlTable(text, "env", a.filledAll(s.Env))
		fmt.Fprint(text, codexPatience)
		return
	}
	fmt.Fprintf(text, "url = %s\n", tomlString(a.filled(s.URL)))
	fixed, named := map[string]string{}, map[string]string{}
	for header, value := range s.Headers {
		bearer, isBearer := strings.CutPrefix(value, "Bearer ")
		switch {
		case isBearer && strings.EqualFold(header, "Authorization") && variableIn(bearer) != "":
			fmt.Fprintf(text, "bearer_token_env_var = %s\n", tomlString(variableIn(bearer)))
		case variableIn(value) != "":
			named[header] = variableIn(value)
		default:
			fixed[header] = a.filled(value)
		}
	}
	tomlTable(text, "http_headers", fixed)
	tomlTable(text, "env_http_headers", named)
	fmt.Fprint(text, codexPatience)
}

const codexPatience = "startup_timeout_sec = 30\ntool_timeout_sec = 600\n"

func tomlTable(text *strings.Builder, name string, values map[string]string) {
	if len(values) == 0 {
		return
	}
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		pairs = append(pairs, tomlString(key)+" = "+tomlString(values[key]))
	}
	fmt.Fprintf(text, "%s = { %s }\n", name, strings.Join(pairs, ", "))
}

// tomlString is text as a basic string of TOML: one of JSON, but for DEL.
func tomlString(text string) string {
	return strings.ReplaceAll(string(scalar(text)), "\x7f", `\u007f`)
}

// codexVerdict goes by the end of the turn that codex reports; an error before may
// be one that a retry has mended.
func codexVerdict(events []event) Verdict {
	v := Verdict{Failure: "codex ended without a result"}
	for _, e := range events {
		switch e.Type {
		case "thread.started":
			v.Conversation = cmp.Or(v.Conversation, e.ThreadID)
		case "turn.completed":
			v.Failure = ""
		case "turn.failed":
			v.Failure = "codex failed: " + e.Error.Message
		}
	}
	return v
}
