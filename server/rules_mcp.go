package server

import (
	"encoding/json"
	"fmt"
)

const maxMCPServers = 20

func mcpServers(value any) error {
	entries := value.([]any)
	seen := map[string]bool{}
	for i, entry := range entries {
		at := fmt.Sprintf("mcp_servers[%d]", i)
		server, ok := entry.(map[string]any)
		if !ok {
			return fmt.Errorf("%s must be an object", at)
		}
		if err := mcpServer(at, server); err != nil {
			return err
		}
		name := server["name"].(string)
		if seen[name] {
			return fmt.Errorf("%s: duplicate name '%s'", at, name)
		}
		seen[name] = true
	}
	if len(entries) > maxMCPServers {
		return fmt.Errorf("Maximum %d MCP servers per agent", maxMCPServers)
	}
	return nil
}

// mcpServer checks the keys that have a meaning; others are kept.
func mcpServer(at string, server map[string]any) error {
	if _, given := server["name"]; !given {
		return fmt.Errorf("%s missing required field: name", at)
	}
	if _, given := server["type"]; !given {
		server["type"] = "url" // clients need it in the answer
	}
	kind, _ := server["type"].(string)
	required := map[string]string{"url": "url", "stdio": "command"}[kind]
	if required == "" {
		return fmt.Errorf("%s: unknown type '%s'. Must be one of: ['stdio', 'url']", at, shownAs(server["type"]))
	}
	if _, given := server[required]; !given {
		return fmt.Errorf("%s (%s): missing required field: %s", at, kind, required)
	}
	if err := requireStrings(at, server, "name", required); err != nil {
		return err
	}
	for _, field := range []string{"headers", "env"} {
		if value, given := server[field]; given && !stringMap(value) {
			return fmt.Errorf("%s.%s must be an object of strings", at, field)
		}
	}
	if value, given := server["args"]; given && !stringList(value) {
		return fmt.Errorf("%s.args must be a list of strings", at)
	}
	return nil
}

// shownAs writes a value that should have been a string into a text.
func shownAs(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return string(text)
}
