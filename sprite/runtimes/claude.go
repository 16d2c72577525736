package runtimes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

const (
	claudeMCP    = aod + "/claude/mcp.json"
	claudeSystem = aod + "/claude/system.md"
	claudeRoot   = home + "/.claude/skills"
)

var _ = register(&Runtime{
	Name:      "claude",
	Providers: []string{"anthropic"},
	Keys:      []string{"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"},
	Install: &Package{
		Name:     "@anthropic-ai/claude-code",
		Version:  "2.1.197",
		Binary:   "claude",
		platform: "@anthropic-ai/claude-code-linux",
		programs: map[string]map[string]string{
			"amd64": {"claude": "claude"},
			"arm64": {"claude": "claude"},
		},
	},
	env:     claudeEnv,
	config:  claudeConfig,
	skills:  func(a Agent) ([]File, [][]string, error) { return skills(a, claudeRoot, "claude-code") },
	command: claudeCommand,
	judge:   claudeVerdict,
})

// claudeEnv lets claude run as root in a Sprite, saves it every request that is
// not the model's (8 s a run where the network drops packets), and makes it give
// up in 10 s instead of 180 when the model's service is away.
var claudeEnv = []string{
	"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
	"CLAUDE_CODE_MAX_RETRIES=4",
	"DISABLE_AUTOUPDATER=1",
	"IS_SANDBOX=1",
}

// claudeCommand repeats every flag in every turn: claude remembers only the
// conversation.
func claudeCommand(t Turn) Command {
	argv := []string{"claude", "--dangerously-skip-permissions", "--print", "--verbose", "--output-format", "stream-json"}
	if _, model, ok := strings.Cut(t.Model, "/"); ok {
		argv = append(argv, "--model", model)
	}
	if t.System != "" {
		argv = append(argv, "--append-system-prompt-file", t.Place.Real(claudeSystem))
	}
	if len(t.MCPServers) > 0 {
		argv = append(argv, "--mcp-config", t.Place.Real(claudeMCP), "--strict-mcp-config")
	}
	conversation := "--session-id"
	if t.Number > 1 {
		conversation = "--resume"
	}
	prompt := t.Prompt
	if strings.HasPrefix(prompt, "/") {
		prompt = "\n" + prompt // else a slash command, which the model never sees
	}
	return Command{Argv: append(argv, conversation, t.SessionID), Stdin: []byte(prompt)}
}

func claudeConfig(a Agent) ([]File, error) {
	var files []File
	if a.System != "" {
		files = append(files, File{Path: claudeSystem, Data: []byte(a.System), Mode: 0o600})
	}
	if len(a.MCPServers) > 0 {
		servers, err := mcpServers(a)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: claudeMCP, Data: claudeMCPFile(servers), Mode: 0o600})
	}
	return files, nil
}

// claudeMCPServer is one server in the format of claude's --mcp-config.
type claudeMCPServer struct {
	Type    string            `json:"type"`
	URL     string            `json:"url,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Command string            `json:"command,omitempty"`
	Args    []string          `json:"args,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
}

func claudeMCPFile(servers []mcpServer) []byte {
	entries := map[string]claudeMCPServer{}
	for _, s := range servers {
		if s.Type == "stdio" {
			entries[s.Name] = claudeMCPServer{Type: "stdio", Command: s.Command, Args: s.Args, Env: s.Env}
		} else {
			entries[s.Name] = claudeMCPServer{Type: "http", URL: s.URL, Headers: s.Headers}
		}
	}
	return document(map[string]any{"mcpServers": entries})
}

// claudeVerdict goes by is_error: a result's subtype is "success" whatever the
// model's service has answered.
func claudeVerdict(events []event) Verdict {
	v := Verdict{Failure: "claude ended without a result"}
	for _, e := range events {
		if e.Type != "result" {
			continue
		}
		if v.Failure = ""; e.IsError {
			v.Failure = "claude failed: " + e.Result
		}
	}
	return v
}

// document is v as indented JSON.
func document(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("encode a runtime's configuration: %v", err)) // strings, lists and maps only
	}
	return b.Bytes()
}
