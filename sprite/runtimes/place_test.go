package runtimes

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestCommandsFindFilesAtTheirPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ home, path, real string }{
		{"", "/home/sprite/.aod/env", "/home/sprite/.aod/env"},
		{"/home/sprite", "/home/sprite/.aod/env", "/home/sprite/.aod/env"},
		{"/home/sprite", "/workspace/x", "/workspace/x"},
		{"/data/s/root/home/sprite", "/home/sprite", "/data/s/root/home/sprite"},
		{"/data/s/root/home/sprite", "/home/sprite/x", "/data/s/root/home/sprite/x"},
		{"/data/s/root/home/sprite", "/home/sprites/x", "/home/sprites/x"},
		{"/data/s/root/home/sprite", "/workspace", "/data/s/root/workspace"},
		{"/data/s/root/home/sprite", "/workspace/x", "/data/s/root/workspace/x"},
		{"/data/s/root/home/sprite", "/workspaces/x", "/workspaces/x"},
		{"/data/s/root/home/sprite", "/usr/bin/x", "/usr/bin/x"},
		{"/home/somebody", "/home/sprite/x", "/home/somebody/x"},
		{"/home/somebody", "/workspace/x", "/workspace/x"},
	} {
		if got := PlaceAt(c.home).Real(c.path); got != c.real {
			t.Errorf("home %s: %s is at %s, not at %s", c.home, c.path, got, c.real)
		}
	}
}

// What claude is told of its files is where it finds them, and they are written where
// the service takes them.
func TestClaudeIsToldWhereItsFilesAre(t *testing.T) {
	t.Parallel()
	claude, _ := ByName("claude")
	agent := Agent{Model: "anthropic/m", System: "s", MCPServers: []json.RawMessage{json.RawMessage(`{"name":"x","type":"stdio","command":"/home/sprite/y"}`)}, Place: PlaceAt("/data/home/sprite")}
	argv := claude.Command(Turn{Agent: agent, Number: 1}).Argv
	for _, path := range []string{"/data" + claudeSystem, "/data" + claudeMCP} {
		if !slices.Contains(argv, path) {
			t.Errorf("%s is not in %q", path, argv)
		}
	}
	files, err := claude.Config(agent)
	if err != nil || len(files) != 2 || files[0].Path != claudeSystem || files[1].Path != claudeMCP {
		t.Errorf("files %+v, %v", files, err)
	}
}
