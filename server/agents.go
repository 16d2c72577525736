package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"

	"github.com/agent-on-demand/aod/api"
	"github.com/agent-on-demand/aod/gen"
	"github.com/agent-on-demand/aod/sprite/runtimes"
	"github.com/agent-on-demand/aod/store"
)

// CreateAgent stores an agent.
func (s *Server) CreateAgent(ctx context.Context, r gen.CreateAgentRequestObject) (gen.CreateAgentResponseObject, error) {
	runtime, err := runtimes.ResolveRuntime(r.Body.Runtime, r.Body.Provider)
	if err != nil {
		return nil, err
	}
	model, err := canonicalModel(runtime, value(r.Body.Provider), value(r.Body.Model))
	if err != nil {
		return nil, err
	}
	agent, err := s.store.CreateAgent(ctx, user(ctx), store.AgentSpec{
		Name: r.Body.Name, Description: value(r.Body.Description), System: value(r.Body.System), Model: model, Runtime: runtime,
		EnvironmentID: unlessEmpty(r.Body.EnvironmentID), Skills: r.Body.Skills, MCPServers: r.Body.McpServers, Metadata: r.Body.Metadata,
	}, receipt(ctx, http.StatusCreated, agentBody))
	if err != nil {
		return nil, err
	}
	return gen.CreateAgent201JSONResponse{Body: agentBody(agent)}, nil
}

// ListAgents returns the user's agents that are not archived.
func (s *Server) ListAgents(ctx context.Context, r gen.ListAgentsRequestObject) (gen.ListAgentsResponseObject, error) {
	page, err := pageOf(r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	agents, err := s.store.Agents(ctx, user(ctx), value(r.Params.Metadata), page)
	if err != nil {
		return nil, err
	}
	body := gen.ListAgents200JSONResponse{Data: each(agents.Rows, agentBody)}
	body.HasMore, body.NextCursor = more(page, agents)
	return body, nil
}

// GetAgent returns an agent.
func (s *Server) GetAgent(ctx context.Context, r gen.GetAgentRequestObject) (gen.GetAgentResponseObject, error) {
	agent, err := s.store.Agent(ctx, user(ctx), r.AgentID)
	if err != nil {
		return nil, err
	}
	return gen.GetAgent200JSONResponse(agentBody(agent)), nil
}

// UpdateAgent makes the next version of an agent.
func (s *Server) UpdateAgent(ctx context.Context, r gen.UpdateAgentRequestObject) (gen.UpdateAgentResponseObject, error) {
	named := r.Body.Runtime != nil || r.Body.Provider != nil
	var runtime string
	if named {
		var err error
		if runtime, err = runtimes.ResolveRuntime(r.Body.Runtime, r.Body.Provider); err != nil {
			return nil, err
		}
	}
	environment, err := r.Body.EnvironmentID.Get()
	attach := unlessEmpty(&environment) // nil if it is detached or not mentioned
	if err != nil {
		attach = nil
	}
	agent, err := s.store.UpdateAgent(ctx, user(ctx), r.AgentID, r.Body.Version, attach, func(spec *store.AgentSpec) error {
		set(&spec.Name, r.Body.Name)
		set(&spec.System, r.Body.System)
		set(&spec.Description, r.Body.Description)
		set(&spec.Model, r.Body.Model)
		if named {
			spec.Runtime = runtime
		}
		if r.Body.EnvironmentID.IsSpecified() {
			spec.EnvironmentID = attach
		}
		if r.Body.Skills != nil {
			spec.Skills = r.Body.Skills
		}
		if r.Body.McpServers != nil {
			spec.MCPServers = r.Body.McpServers
		}
		spec.Metadata = merged(spec.Metadata, r.Body.Metadata)
		var err error
		spec.Model, err = canonicalModel(spec.Runtime, value(r.Body.Provider), spec.Model)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.UpdateAgent200JSONResponse(agentBody(agent)), nil
}

// ArchiveAgent hides an agent for good.
func (s *Server) ArchiveAgent(ctx context.Context, r gen.ArchiveAgentRequestObject) (gen.ArchiveAgentResponseObject, error) {
	agent, err := s.store.ArchiveAgent(ctx, user(ctx), r.AgentID)
	if err != nil {
		return nil, err
	}
	return gen.ArchiveAgent200JSONResponse(agentBody(agent)), nil
}

// ListAgentVersions returns every version of an agent.
func (s *Server) ListAgentVersions(ctx context.Context, r gen.ListAgentVersionsRequestObject) (gen.ListAgentVersionsResponseObject, error) {
	versions, err := s.store.AgentVersions(ctx, user(ctx), r.AgentID)
	if err != nil {
		return nil, err
	}
	return gen.ListAgentVersions200JSONResponse{Data: each(versions, agentVersionBody)}, nil
}

// canonicalModel is the model that a request means. A model of the wrong form is
// told like any other field of the wrong form.
func canonicalModel(runtime, provider, model string) (string, error) {
	canonical, err := runtimes.Model(runtime, provider, model)
	if bad := (*runtimes.BadModel)(nil); errors.As(err, &bad) {
		return "", &invalid{[]problem{ruled(model, bad.Text, "model")}}
	}
	return canonical, err
}

// merged returns the metadata with the changes applied; an empty string removes
// its key.
func merged(metadata, changes map[string]json.RawMessage) map[string]json.RawMessage {
	result := maps.Clone(metadata)
	for name, change := range changes {
		if bytes.Equal(change, []byte(`""`)) {
			delete(result, name)
		} else {
			result[name] = change
		}
	}
	return result
}

func agentBody(a *store.Agent) gen.Agent {
	return gen.Agent{
		ID: a.ID, Type: gen.AgentTypeAgent, Name: a.Name, Description: nonEmpty(a.Description), System: nonEmpty(a.System),
		Model: a.Model, Runtime: gen.Runtime(a.Runtime), Provider: runtimes.ProviderOf(a.Runtime, a.Model), EnvironmentID: a.EnvironmentID,
		Skills: a.Skills, McpServers: a.MCPServers, Metadata: a.Metadata, Version: a.Version,
		CreatedAt: moment(a.CreatedAt), UpdatedAt: moment(a.UpdatedAt), ArchivedAt: momentOrNull(a.ArchivedAt),
	}
}

func agentVersionBody(a *store.AgentVersion) gen.AgentVersion {
	return gen.AgentVersion{
		ID: a.AgentID, Type: gen.AgentVersionTypeAgent, Name: a.Name, Description: nonEmpty(a.Description), System: nonEmpty(a.System),
		Model: a.Model, Runtime: gen.Runtime(a.Runtime), Provider: runtimes.ProviderOf(a.Runtime, a.Model), EnvironmentID: a.EnvironmentID,
		Skills: a.Skills, McpServers: a.MCPServers, Metadata: a.Metadata, Version: a.Version, CreatedAt: moment(a.CreatedAt),
	}
}

func moment(m store.Micros) api.Time { return api.Time{Time: m.Time()} }

func momentOrNull(m *store.Micros) *api.Time {
	if m == nil {
		return nil
	}
	t := moment(*m)
	return &t
}
