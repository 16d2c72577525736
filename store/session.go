package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"
)

// Status says where a session or a turn is in its life.
type Status string

// The statuses. Turns have all of them but StatusTerminated.
//
//	pending ─► running ─► completed ─► pending …   (the next prompt)
//	   │          └─────► failed
//	   └────────────────► failed
//	any but terminated ─► terminated
const (
	StatusPending    Status = "pending"
	StatusRunning    Status = "running"
	StatusCompleted  Status = "completed"
	StatusFailed     Status = "failed"
	StatusTerminated Status = "terminated"
)

// Final reports whether nothing is going on: the status changes only by a
// request.
func (s Status) Final() bool { return s != StatusPending && s != StatusRunning }

// Session is one conversation on one Sprite. It keeps to the versions of its
// agent and environment that it was created with.
type Session struct {
	Seq                int64 `gorm:"primaryKey;autoIncrement"`
	ID                 string
	UserID             string
	AgentID            *string
	AgentVersion       int
	EnvironmentID      *string
	EnvironmentVersion int // 0 without an environment
	Runtime            string
	Model              string
	Status             Status
	ExitCode           *int
	Resources          []Resource `gorm:"serializer:json"`
	RuntimeSessionID   string
	Conversation       string // as the runtime names it; empty where that is RuntimeSessionID
	Sprite             string // the Sprite's name, empty while there is none
	TurnCount          int
	LastRow            int64
	CreatedAt          Micros `gorm:"autoCreateTime:false"`
	UpdatedAt          Micros `gorm:"autoUpdateTime:false"`
}

func (s *Session) place() place { return place{s.CreatedAt, s.Seq} }

// Resource is a repository that a session's Sprite has a clone of.
type Resource struct {
	Type      string `json:"type"`
	URL       string `json:"url"`
	MountPath string `json:"mount_path"`
}

// SessionSpec is what a session is created from.
type SessionSpec struct {
	AgentID       string
	EnvironmentID *string // overrides the agent's
	Prompt        string
	Timeout       int // of the first turn, in seconds
	Resources     []Resource
	Variables     map[string]Secret // of the Sprite's environment
	Repositories  map[string]Secret // tokens, by mount path
}

var errNoSession = NotFound("Session not found")

// CreateSession stores a pending session with its first turn. check is asked
// whether the agent can be run, after it and the environment have been found and
// before the quota is looked at. The session comes with the receipt if there is one.
func (s *Store) CreateSession(ctx context.Context, user string, spec SessionSpec, check func(*Agent) error, receipt *Receipt[*Session]) (*Session, error) {
	var session *Session
	err := s.write(ctx, func(tx *gorm.DB, now Micros) error {
		agent, err := load[Agent](tx, user, spec.AgentID)
		if err != nil {
			return err
		}
		if agent.ArchivedAt != nil {
			return Conflict("Cannot create session with archived agent")
		}
		env, err := effectiveEnvironment(tx, user, spec, agent)
		if err != nil {
			return err
		}
		if err := check(agent); err != nil {
			return err
		}
		if err := s.checkQuota(tx, user); err != nil {
			return err
		}
		session = &Session{
			ID: s.newID(), UserID: user, AgentID: &agent.ID, AgentVersion: agent.Version,
			Runtime: agent.Runtime, Model: agent.Model, Status: StatusPending, Resources: append([]Resource{}, spec.Resources...),
			RuntimeSessionID: s.newID(), TurnCount: 1, CreatedAt: now, UpdatedAt: now,
		}
		if env != nil {
			session.EnvironmentID, session.EnvironmentVersion = &env.ID, env.Version
		}
		if err := insert(tx, session); err != nil {
			return fmt.Errorf("insert session: %w", err)
		}
		if err := s.keepSecrets(tx, session.ID, spec); err != nil {
			return err
		}
		if err := addTurn(tx, session.ID, 1, spec.Prompt, spec.Timeout, now); err != nil {
			return err
		}
		return keepReceipt(tx, s, receipt, session, now)
	})
	if err != nil {
		return nil, err
	}
	return session, nil
}

// effectiveEnvironment returns the session's own environment, else its agent's,
// else none.
func effectiveEnvironment(tx *gorm.DB, user string, spec SessionSpec, agent *Agent) (*Environment, error) {
	id := spec.EnvironmentID
	if id == nil {
		id = agent.EnvironmentID
	}
	if id == nil {
		return nil, nil
	}
	env, err := load[Environment](tx, user, *id)
	if err != nil {
		return nil, err
	}
	if env.ArchivedAt != nil {
		return nil, Conflict("Cannot create session with archived environment")
	}
	return env, nil
}

// checkQuota counts in the transaction that inserts, and there is one writer, so
// two creates never take the same place.
func (s *Store) checkQuota(tx *gorm.DB, user string) error {
	owner, err := first[User](tx.Where("id = ?", user), errNoUser)
	if err != nil {
		return err
	}
	limit := s.maxSessions
	if owner.MaxSessions != nil && *owner.MaxSessions != 0 {
		limit = *owner.MaxSessions
	}
	var active int
	if err := tx.Raw("SELECT count(*) FROM sessions WHERE user_id = ? AND status IN ('pending', 'running')", user).Scan(&active).Error; err != nil {
		return fmt.Errorf("count active sessions: %w", err)
	}
	if active >= limit {
		return overQuota(active, limit)
	}
	return nil
}

// Sessions returns the user's sessions, newest first: those in one of the
// statuses, if any are given, and of the agent, if one is.
func (s *Store) Sessions(ctx context.Context, user string, statuses []Status, agent string, page Page) (*List[Session], error) {
	query := s.read(ctx)
	if len(statuses) > 0 {
		query = query.Where("status IN ?", statuses)
	}
	if agent != "" {
		query = query.Where("agent_id = ?", agent)
	}
	return find[Session](s, query, "sessions", user, page)
}

// Session returns the user's session.
func (s *Store) Session(ctx context.Context, user, id string) (*Session, error) {
	return session(s.read(ctx), user, id)
}

func session(db *gorm.DB, user, id string) (*Session, error) {
	return owned[Session](db, user, id, errNoSession)
}

// ending is how a session's conversation came to its end, with or without the
// exit code of a runtime.
type ending struct {
	Status   Status
	ExitCode *int
}

// SessionEnd returns the status of a session and its exit code.
func (s *Store) SessionEnd(ctx context.Context, id string) (Status, *int, error) {
	end, err := first[ending](s.read(ctx).Table("sessions").Select("status, exit_code").Where("id = ?", id), errNoSession)
	if err != nil {
		return "", nil, err
	}
	return end.Status, end.ExitCode, nil
}

// AssignSprite notes the name of the Sprite that is about to be made for a
// pending session, so that whatever happens next, somebody destroys it.
func (s *Store) AssignSprite(ctx context.Context, id, sprite string) error {
	return s.write(ctx, func(tx *gorm.DB, now Micros) error {
		return changed(tx.Exec("UPDATE sessions SET sprite = ?, updated_at = ? WHERE id = ? AND status = 'pending'", sprite, now, id))
	})
}

// TerminateSession ends the session for good, whatever it was doing, and gives
// its Sprite up.
func (s *Store) TerminateSession(ctx context.Context, user, id string) error {
	return s.write(ctx, func(tx *gorm.DB, now Micros) error {
		row, err := session(tx, user, id)
		if err != nil {
			return err
		}
		err = changed(tx.Exec("UPDATE sessions SET status = 'terminated', updated_at = ? WHERE id = ? AND status <> 'terminated'", now, id))
		if err == ErrTooLate {
			return Conflict("Session is already terminated")
		}
		if err != nil {
			return err
		}
		return release(tx, row.ID, row.Sprite, now)
	})
}

// DeleteSession removes a session that is not active, with everything it has.
func (s *Store) DeleteSession(ctx context.Context, user, id string) error {
	return s.write(ctx, func(tx *gorm.DB, now Micros) error {
		row, err := session(tx, user, id)
		if err != nil {
			return err
		}
		if !row.Status.Final() {
			return Conflict("Cannot delete an active session")
		}
		if err := release(tx, row.ID, row.Sprite, now); err != nil {
			return err
		}
		return tx.Exec("DELETE FROM sessions WHERE id = ?", id).Error
	})
}

// release gives up what only a session that can go on needs: its secrets and its
// Sprite.
func release(tx *gorm.DB, id, sprite string, now Micros) error {
	if err := tx.Exec("DELETE FROM session_secrets WHERE session_id = ?", id).Error; err != nil {
		return fmt.Errorf("forget secrets: %w", err)
	}
	if sprite == "" {
		return nil
	}
	if err := tx.Exec("UPDATE sessions SET sprite = '' WHERE id = ?", id).Error; err != nil {
		return fmt.Errorf("give up sprite: %w", err)
	}
	if err := tx.Exec("INSERT INTO doomed_sprites (name, since) VALUES (?, ?) ON CONFLICT DO NOTHING", sprite, now).Error; err != nil {
		return fmt.Errorf("doom sprite: %w", err)
	}
	return nil
}
