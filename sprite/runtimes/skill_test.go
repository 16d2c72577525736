package runtimes

import (
	"encoding/json"
	"testing"
)

func TestMalformedConfigurationIsAnErrorNotAGuess(t *testing.T) {
	t.Parallel()
	r, _ := ByName("claude")
	bad := []json.RawMessage{json.RawMessage(`{"name":"x"}`), json.RawMessage(`[]`)}
	if _, _, err := r.Skills(Agent{Skills: bad}); err == nil {
		t.Error("Skills took a list for a skill")
	}
	if _, err := r.Config(Agent{MCPServers: bad}); err == nil {
		t.Error("Config took a list for a server")
	}
}

func TestFrontMatterIsKeptOnlyWhereThereIsOne(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]bool{
		"---\nname: x\n---\nbody":         true,
		"---\r\nname: x\r\n---\r\nbody":   true,
		"---\nname: x\n---":               true,
		"---\n---\nbody":                  true,
		"---\nname: x\nbody":              false,
		"----\nname: x\n---\n":            false,
		"text\n---\nname: x\n---\n":       false,
		"---\nname: x\n--- not the end\n": false,
		"":                                false,
	} {
		if got := frontMatter.MatchString(content); got != want {
			t.Errorf("front matter in %q: %v, want %v", content, got, want)
		}
	}
}
