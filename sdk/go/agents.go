package aod

import (
	"context"
	"iter"
	"net/http"

	"github.com/agent-on-demand/aod/gen"
)

// The agent as the API knows it. Fields that may be omitted are pointers: new("shell").
type (
	Agent          = gen.Agent
	AgentVersion   = gen.AgentVersion
	AgentCreate    = gen.AgentCreate
	AgentUpdate    = gen.AgentUpdate
	AgentFilter    = gen.ListAgentsParams
	Metadata       = gen.Metadata
	MetadataFilter = gen.MetadataFilter
)

// Agents makes the calls that are about agents.
type Agents struct{ c *Client }

// Create makes an agent.
func (a *Agents) Create(ctx context.Context, agent AgentCreate) (*Agent, error) {
	return decode[Agent](a.c.calls.CreateAgent(ctx, nil, agent))
}

// List yields the agents that are not archived, the newest first, and asks for them page by
// page. Limit of the filter is the size of a page.
func (a *Agents) List(ctx context.Context, filter AgentFilter) iter.Seq2[Agent, error] {
	return pages[Agent](filter.Limit, func(limit *int, cursor *string) (*http.Response, error) {
		filter.Limit, filter.Cursor = limit, cursor
		return a.c.calls.ListAgents(ctx, &filter)
	})
}

// Get finds an agent by its id.
func (a *Agents) Get(ctx context.Context, id string) (*Agent, error) {
	return decode[Agent](a.c.calls.GetAgent(ctx, id))
}

// Update changes the version of an agent that is named, which makes the next one.
func (a *Agents) Update(ctx context.Context, id string, change AgentUpdate) (*Agent, error) {
	return decode[Agent](a.c.calls.UpdateAgent(ctx, id, change))
}

// Archive hides an agent from lists and keeps it from new sessions.
func (a *Agents) Archive(ctx context.Context, id string) (*Agent, error) {
	return decode[Agent](a.c.calls.ArchiveAgent(ctx, id))
}

// Versions are an agent's versions, the newest first.
func (a *Agents) Versions(ctx context.Context, id string) ([]AgentVersion, error) {
	return data[AgentVersion](a.c.calls.ListAgentVersions(ctx, id))
}
