package store

import (
	"context"
	"encoding/json"

	"gorm.io/gorm"
)

// AgentSpec is what a version of an agent is made of. The lists and the map
// are replaced, never changed in place.
type AgentSpec struct {
	Name          string
	Description   string
	System        string
	Model         string // canonical: provider/model_id
	Runtime       string
	EnvironmentID *string
	Skills        []json.RawMessage          `gorm:"serializer:json"`
	MCPServers    []json.RawMessage          `gorm:"-"` // sealed: they have headers and variables
	Metadata      map[string]json.RawMessage `gorm:"serializer:json"`
}

// Agent is a saved, versioned configuration.
type Agent struct {
	Head          `gorm:"embedded"`
	AgentSpec     `gorm:"embedded"`
	SealedServers []byte
}

// AgentVersion is an agent as it was.
type AgentVersion struct {
	AgentID       string
	Version       int
	AgentSpec     `gorm:"embedded"`
	SealedServers []byte
	CreatedAt     Micros `gorm:"autoCreateTime:false"`
}

func (a *Agent) head() *Head  { return &a.Head }
func (a *Agent) noun() string { return "agent" }
func (a *Agent) spec() any    { return a.AgentSpec }

func (a *Agent) open(keys *Keyring) (err error) {
	a.MCPServers, err = keys.openList(a.SealedServers, serversOf(a.ID))
	return err
}

func (v *AgentVersion) open(keys *Keyring) (err error) {
	v.MCPServers, err = keys.openList(v.SealedServers, serversOf(v.AgentID))
	return err
}

func serversOf(agent string) string { return "mcp servers of agent " + agent }

// seal leaves no list nil: neither the table nor the answers take a null.
func (a *Agent) seal(keys *Keyring) (err error) {
	if a.Skills == nil {
		a.Skills = []json.RawMessage{}
	}
	if a.MCPServers == nil {
		a.MCPServers = []json.RawMessage{}
	}
	if a.Metadata == nil {
		a.Metadata = map[string]json.RawMessage{}
	}
	a.SealedServers, err = keys.sealList(a.MCPServers, serversOf(a.ID))
	return err
}

func (a *Agent) versioned() []string {
	return []string{"name", "description", "system", "model", "runtime", "environment_id", "skills", "sealed_servers", "metadata"}
}

// CreateAgent stores a new agent of the user's, with the receipt if there is one.
func (s *Store) CreateAgent(ctx context.Context, user string, spec AgentSpec, receipt *Receipt[*Agent]) (*Agent, error) {
	agent := &Agent{Head: Head{UserID: user}, AgentSpec: spec}
	err := create(ctx, s, agent, receipt, func(tx *gorm.DB) error {
		return checkAssignable(tx, user, spec.EnvironmentID)
	})
	if err != nil {
		return nil, err
	}
	return agent, nil
}

// Agents returns the user's agents that are not archived and have these values in
// their metadata, newest first. A value that is no text is compared by its JSON.
func (s *Store) Agents(ctx context.Context, user string, metadata map[string]string, page Page) (*List[Agent], error) {
	query := s.read(ctx).Where("archived_at IS NULL")
	for name, value := range metadata {
		query = query.Where("EXISTS (SELECT 1 FROM json_each(metadata) WHERE key = ? AND iif(type IN ('true', 'false', 'null'), type, CAST(value AS TEXT)) = ?)", name, value)
	}
	list, err := find[Agent](s, query, "agents", user, page)
	if err != nil {
		return nil, err
	}
	return list, openAll(list.Rows, s.keys)
}

// Agent returns the user's agent, archived or not.
func (s *Store) Agent(ctx context.Context, user, id string) (*Agent, error) {
	agent, err := load[Agent](s.read(ctx), user, id)
	if err != nil {
		return nil, err
	}
	return agent, agent.open(s.keys)
}

// UpdateAgent applies change to the agent if version is its present one; what
// differs afterwards becomes the next version. environment, if not nil, is
// checked before the agent is looked at: it must be one that agents may have.
func (s *Store) UpdateAgent(ctx context.Context, user, id string, version int, environment *string, change func(*AgentSpec) error) (*Agent, error) {
	return update(ctx, s, user, id, version, func(tx *gorm.DB) error {
		return checkAssignable(tx, user, environment)
	}, func(_ *gorm.DB, agent *Agent) error {
		return change(&agent.AgentSpec)
	})
}

// ArchiveAgent hides the agent for good; its sessions go on.
func (s *Store) ArchiveAgent(ctx context.Context, user, id string) (*Agent, error) {
	agent, err := archive[Agent](ctx, s, user, id)
	if err != nil {
		return nil, err
	}
	return agent, agent.open(s.keys)
}

// AgentVersions returns every version of the agent, the newest first.
func (s *Store) AgentVersions(ctx context.Context, user, id string) ([]AgentVersion, error) {
	snapshots, err := versions[AgentVersion, Agent](ctx, s, user, id)
	if err != nil {
		return nil, err
	}
	return snapshots, openAll(snapshots, s.keys)
}

// openAll decrypts what rows have sealed.
func openAll[T any, P interface {
	*T
	open(keys *Keyring) error
}](rows []T, keys *Keyring) error {
	for i := range rows {
		if err := P(&rows[i]).open(keys); err != nil {
			return err
		}
	}
	return nil
}

// checkAssignable refuses an environment that the user's agents may not have.
func checkAssignable(tx *gorm.DB, user string, environment *string) error {
	if environment == nil {
		return nil
	}
	env, err := load[Environment](tx, user, *environment)
	if err != nil {
		return err
	}
	if env.ArchivedAt != nil {
		return Conflict("Cannot assign an archived environment to an agent")
	}
	return nil
}
