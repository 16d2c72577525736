package runtimes

import (
	"strings"
)

const (
	opencodeSettings = home + "/.config/opencode/opencode.json"
	opencodeSystem   = aod + "/opencode/system.md"
	opencodeRoot     = home + "/.config/opencode/skills"
)

var _ = register(&Runtime{
	Name:      "opencode",
	Providers: []string{"anthropic", "google", "openai"},
	Keys:      []string{"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"},
	Install: &Package{
		Name:     "opencode-ai",
		Version:  "1.18.33",
		Binary:   "opencode",
		platform: "opencode-linux",
		programs: map[string]map[string]string{
			"amd64": {"opencode": "bin/opencode"},
			"arm64": {"opencode": "bin/opencode"},
		},
	},
	env:     []string{"OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1"},
	config:  opencodeConfig,
	skills:  func(a Agent) ([]File, [][]string, error) { return skills(a, opencodeRoot, "opencode") },
	command: opencodeCommand,
	judge:   opencodeVerdict,
	names:   true,
})

// opencodeStart removes the library of several megabytes that each run leaves in the
// folder for temporary files.
const opencodeStart = `rm -f "${TMPDIR:-/tmp}"/.*-00000000.so; exec opencode "$@"`

// opencodeCommand names its folder: without that, a run that goes on never ends.
func opencodeCommand(t Turn) Command {
	argv := []string{"sh", "-c", opencodeStart, "opencode", "run", "--auto", "--format", "json", "--title", t.SessionID, "--dir", t.Place.Real(home)}
	if t.Model != "" {
		argv = append(argv, "--model", t.Model)
	}
	if t.Number > 1 {
		argv = append(argv, "--session", t.Conversation)
	}
	return Command{Argv: argv, Stdin: []byte(t.Prompt)}
}

// opencodeProviders are where opencode finds a provider's key and service. Its base
// URLs have the API's version.
var opencodeProviders = map[string]struct{ key, base, version string }{
	"anthropic": {"ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "/v1"},
	"google":    {"GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", "/v1beta"},
	"openai":    {"OPENAI_API_KEY", "OPENAI_BASE_URL", ""},
}

// opencodeServer is one server in the format of opencode's settings.
type opencodeServer struct {
	Type        string            `json:"type"`
	URL         string            `json:"url,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	OAuth       *bool             `json:"oauth,omitempty"`
	Command     []string          `json:"command,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	Enabled     bool              `json:"enabled"`
	Timeout     int               `json:"timeout"` // ms until its tools are known
}

const opencodePatience = 30_000

func opencodeConfig(a Agent) ([]File, error) {
	servers, err := mcpServers(a)
	if err != nil {
		return nil, err
	}
	settings := map[string]any{"$schema": "https://opencode.ai/config.json", "autoupdate": false, "share": "disabled"}
	if name, model, ok := strings.Cut(a.Model, "/"); ok {
		p := opencodeProviders[name]
		options := map[string]any{"apiKey": "{env:" + p.key + "}"}
		if base := a.baseURL(p.base, ""); base != "" {
			options["baseURL"] = strings.TrimSuffix(base, p.version) + p.version
		}
		// A model that opencode has not heard of has to be declared.
		settings["provider"] = map[string]any{name: map[string]any{"options": options, "models": map[string]any{model: map[string]any{}}}}
	}
	var files []File
	if a.System != "" {
		settings["instructions"] = []string{a.Place.Real(opencodeSystem)}
		files = append(files, File{Path: opencodeSystem, Data: []byte(a.System), Mode: 0o600})
	}
	if len(servers) > 0 {
		entries := map[string]opencodeServer{}
		for _, s := range servers {
			entries[s.Name] = opencodeEntry(s)
		}
		settings["mcp"] = entries
	}
	return append(files, File{Path: opencodeSettings, Data: document(settings), Mode: 0o600}), nil
}

func opencodeEntry(s mcpServer) opencodeServer {
	entry := opencodeServer{Enabled: true, Timeout: opencodePatience}
	if s.Type == "stdio" {
		entry.Type, entry.Environment = "local", map[string]string{}
		for _, word := range append([]string{s.Command}, s.Args...) {
			entry.Command = append(entry.Command, opencodeText(word))
		}
		for name, value := range s.Env {
			entry.Environment[name] = opencodeText(value)
		}
		return entry
	}
	entry.Type, entry.URL, entry.OAuth, entry.Headers = "remote", opencodeText(s.URL), new(bool), map[string]string{}
	for name, value := range s.Headers {
		entry.Headers[name] = opencodeText(value)
	}
	return entry
}

// opencodeText has opencode fill in the variables that the others write as ${NAME}.
func opencodeText(text string) string { return reference.ReplaceAllString(text, "{env:$1}") }

// opencodeVerdict goes by the last step: one that wants tools is not the last that
// there should have been.
func opencodeVerdict(events []event) Verdict {
	v := Verdict{Failure: "opencode ended without a result"}
	for _, e := range events {
		if v.Conversation == "" {
			v.Conversation = e.SessionID
		}
		switch {
		case e.Type == "error":
			v.Failure = "opencode failed: " + e.Error.Data.Message
		case e.Type == "step_finish" && e.Part.Reason == "tool-calls":
			v.Failure = "opencode ended before its last step"
		case e.Type == "step_finish":
			v.Failure = ""
		}
	}
	return v
}
