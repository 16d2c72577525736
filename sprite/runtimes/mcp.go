package runtimes

import (
	"encoding/json"
	"fmt"
)

// mcpServer is an agent's MCP server as the API stores it.
type mcpServer struct {
	Name    string            `json:"name"`
	Type    string            `json:"type"` // stdio, else url
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Command string            `json:"command"`
	Args    []string          `json:"args"`
	Env     map[string]string `json:"env"`
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
