package runtimes

import "strings"

const (
	geminiSettings = home + "/.gemini/settings.json"
	geminiSystem   = home + "/.gemini/GEMINI.md"
	geminiRoot     = home + "/.gemini/skills"
)

var _ = register(&Runtime{
	Name:      "gemini",
	Providers: []string{"google"},
	Keys:      []string{"GEMINI_API_KEY"},
	Install: &Package{
		Name:    "@google/gemini-cli",
		Version: "0.61.0",
		Binary:  "gemini",
		Needs:   "node",
		script:  "bundle/gemini.js",
	},
	env: []string{
		"GEMINI_CLI_NO_RELAUNCH=true", // one process, which ends when it is told to
		"GEMINI_CLI_TRUST_WORKSPACE=true",
		"TERM=xterm-256color",
	},
	config:  geminiConfig,
	skills:  func(a Agent) ([]File, [][]string, error) { return skills(a, geminiRoot, "gemini-cli") },
	command: geminiCommand,
	judge:   geminiVerdict,
})

// geminiStart lets gemini's own tools write where repositories are, too. It would not
// start with a folder that is not there.
const geminiStart = `[ ! -d "$1" ] || set -- "$@" --include-directories "$1"; shift; exec gemini "$@"`

func geminiCommand(t Turn) Command {
	argv := []string{"sh", "-c", geminiStart, "gemini", t.Place.Real(workspace), "--output-format", "stream-json", "--yolo"}
	if _, model, ok := strings.Cut(t.Model, "/"); ok {
		argv = append(argv, "--model", model)
	}
	conversation := "--session-id"
	if t.Number > 1 {
		conversation = "--resume"
	}
	prompt := t.Prompt
	if start := strings.TrimSpace(prompt); strings.HasPrefix(start, "/") || strings.HasPrefix(start, "?") {
		prompt = "Request:\n" + prompt // else a command, which the next turn has forgotten
	}
	return Command{Argv: append(argv, conversation, t.SessionID), Stdin: []byte(prompt)}
}

// geminiServer is one server in the format of gemini's settings. Its timeout bounds
// how long a server that never answers keeps gemini from starting.
type geminiServer struct {
	HTTPURL string            `json:"httpUrl,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Command string            `json:"command,omitempty"`
	Args    []string          `json:"args,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	Timeout int               `json:"timeout"` // ms
	Trust   bool              `json:"trust"`
}

const geminiPatience = 60_000

// geminiConfig has gemini try a request four times, for seconds and not for
// minutes, and spares it the requests that are not the model's (10 s a run where
// the network drops packets).
func geminiConfig(a Agent) ([]File, error) {
	servers, err := mcpServers(a)
	if err != nil {
		return nil, err
	}
	settings := map[string]any{
		"general":  map[string]any{"enableAutoUpdate": false, "maxAttempts": 4},
		"model":    map[string]any{"disableLoopDetection": true}, // a loop would end as a success that never was
		"privacy":  map[string]any{"usageStatisticsEnabled": false},
		"security": map[string]any{"auth": map[string]any{"selectedType": "gemini-api-key"}},
	}
	if len(servers) > 0 {
		entries := map[string]geminiServer{}
		for _, s := range servers {
			if s.Type == "stdio" {
				entries[s.Name] = geminiServer{Command: s.Command, Args: s.Args, Env: s.Env, Timeout: geminiPatience, Trust: true}
			} else {
				entries[s.Name] = geminiServer{HTTPURL: s.URL, Headers: s.Headers, Timeout: geminiPatience, Trust: true}
			}
		}
		settings["mcpServers"] = entries
	}
	files := []File{{Path: geminiSettings, Data: document(settings), Mode: 0o600}}
	if a.System != "" {
		files = append(files, File{Path: geminiSystem, Data: []byte(a.System), Mode: 0o600})
	}
	return files, nil
}

func geminiVerdict(events []event) Verdict {
	v := Verdict{Failure: "gemini ended without a result"}
	for _, e := range events {
		if e.Type != "result" {
			continue
		}
		if v.Failure = ""; e.Status != "success" {
			v.Failure = "gemini failed: " + e.Error.Message
		}
	}
	return v
}
