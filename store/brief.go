package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"
)

// Brief is everything that is needed to do a turn: the turn, its session and the
// versions of the agent and environment that the session keeps to, with their
// secrets.
type Brief struct {
	Turn         Turn
	Session      Session
	Agent        AgentSpec
	Environment  EnvironmentSpec // empty without one
	Variables    map[string]Secret
	Repositories map[string]Secret // tokens, by mount path
}

// Brief returns the brief of a session's turn.
func (s *Store) Brief(ctx context.Context, id string, number int) (*Brief, error) {
	db := s.read(ctx)
	row, err := first[Session](db.Where("id = ?", id), errNoSession)
	if err != nil {
		return nil, err
	}
	turn, err := first[Turn](db.Where("session_id = ? AND number = ?", id, number), NotFound("Turn not found"))
	if err != nil {
		return nil, err
	}
	brief := &Brief{Turn: *turn, Session: *row, Variables: map[string]Secret{}, Repositories: map[string]Secret{}}
	if row.AgentID != nil {
		agent, err := first[AgentVersion](snapshots[Agent](db, *row.AgentID).Where("version = ?", row.AgentVersion), NotFound("agent version is missing"))
		if err != nil {
			return nil, err
		}
		if err := agent.open(s.keys); err != nil {
			return nil, fmt.Errorf("open MCP servers: %w", err)
		}
		brief.Agent = agent.AgentSpec
	}
	if row.EnvironmentID != nil {
		env, err := first[EnvironmentVersion](snapshots[Environment](db, *row.EnvironmentID).Where("version = ?", row.EnvironmentVersion), NotFound("environment version is missing"))
		if err != nil {
			return nil, err
		}
		brief.Environment = env.EnvironmentSpec
		if brief.Environment.EnvVars, err = s.keys.openMap(env.SealedVars, varsOf(env.EnvironmentID)); err != nil {
			return nil, fmt.Errorf("open environment variables: %w", err)
		}
	}
	return brief, s.openSecrets(db, brief)
}

const (
	secretVariable   = "variable"
	secretRepository = "repository"
)

type sessionSecret struct {
	SessionID string
	Kind      string
	Name      string
	Sealed    []byte
}

func (r sessionSecret) purpose() string {
	return "session " + r.SessionID + " " + r.Kind + " " + r.Name
}

func (s *Store) keepSecrets(tx *gorm.DB, id string, spec SessionSpec) error {
	for kind, secrets := range map[string]map[string]Secret{secretVariable: spec.Variables, secretRepository: spec.Repositories} {
		for name, value := range secrets {
			row := sessionSecret{SessionID: id, Kind: kind, Name: name}
			row.Sealed = s.keys.seal([]byte(value.Reveal()), row.purpose())
			if err := tx.Create(&row).Error; err != nil {
				return fmt.Errorf("insert secret: %w", err)
			}
		}
	}
	return nil
}

func (s *Store) openSecrets(db *gorm.DB, brief *Brief) error {
	var rows []sessionSecret
	if err := db.Where("session_id = ?", brief.Session.ID).Find(&rows).Error; err != nil {
		return fmt.Errorf("read secrets: %w", err)
	}
	for _, row := range rows {
		plain, err := s.keys.open(row.Sealed, row.purpose())
		if err != nil {
			return fmt.Errorf("open secret: %w", err)
		}
		if row.Kind == secretVariable {
			brief.Variables[row.Name] = NewSecret(string(plain))
		} else {
			brief.Repositories[row.Name] = NewSecret(string(plain))
		}
	}
	return nil
}
