package runtimes

import (
	"encoding/json"
	"fmt"
)

// mcpServer is an agent's MCP server as the API stores it.
type mcpServer struct {
	Name    string
	Type    string // stdio, else url
	URL     string
	Headers map[string]string
	Command string
	Args    []string
	Env     map[string]string
}

// UnmarshalJSON reads the keys exactly as they are spelled: others, which the API
// keeps, may differ from them in case alone.
func (s *mcpServer) UnmarshalJSON(text []byte) error {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	for key, place := range map[string]any{
		"name": &s.Name, "type": &s.Type, "url": &s.URL, "headers": &s.Headers, "command": &s.Command, "args": &s.Args, "env": &s.Env,
	} {
		if value, given := fields[key]; given {
			if err := json.Unmarshal(value, place); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	return nil
}

func mcpServers(a Agent) ([]mcpServer, error) {
	servers := make([]mcpServer, len(a.MCPServers))
	for i, text := range a.MCPServers {
		if err := json.Unmarshal(text, &servers[i]); err != nil {
			return nil, fmt.Errorf("read MCP server %d: %w", i, err)
		}
	}
	return servers, nil
}
