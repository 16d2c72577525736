package aod

import (
	"context"
	"iter"
	"net/http"

	"github.com/agent-on-demand/aod/gen"
)

// The session and its turns as the API knows them.
type (
	Session         = gen.Session
	SessionStatus   = gen.SessionStatus
	SessionCreate   = gen.SessionCreate
	SessionCreated  = gen.SessionCreated
	SessionPrompt   = gen.SessionPrompt
	SessionPrompted = gen.SessionPrompted
	SessionFilter   = gen.ListSessionsParams
	Resource        = gen.Resource
	ResourceCreate  = gen.ResourceCreate
	Turn            = gen.Turn
	TurnStatus      = gen.TurnStatus
)

// Where a session is in its life.
const (
	SessionPending    = gen.SessionStatusPending
	SessionRunning    = gen.SessionStatusRunning
	SessionCompleted  = gen.SessionStatusCompleted
	SessionFailed     = gen.SessionStatusFailed
	SessionTerminated = gen.SessionStatusTerminated
)

// Sessions makes the calls that are about sessions.
type Sessions struct{ c *Client }

// Create starts a session and its first turn.
func (s *Sessions) Create(ctx context.Context, session SessionCreate) (*SessionCreated, error) {
	return decode[SessionCreated](s.c.calls.CreateSession(ctx, nil, session))
}

// List yields the sessions, the newest first, and asks for them page by page. Limit of the
// filter is the size of a page.
func (s *Sessions) List(ctx context.Context, filter SessionFilter) iter.Seq2[Session, error] {
	return pages[Session](filter.Limit, func(limit *int, cursor *string) (*http.Response, error) {
		filter.Limit, filter.Cursor = limit, cursor
		return s.c.calls.ListSessions(ctx, &filter)
	})
}

// Get finds a session by its id.
func (s *Sessions) Get(ctx context.Context, id string) (*Session, error) {
	return decode[Session](s.c.calls.GetSession(ctx, id))
}

// Prompt starts the next turn of a completed session.
func (s *Sessions) Prompt(ctx context.Context, id string, prompt SessionPrompt) (*SessionPrompted, error) {
	return decode[SessionPrompted](s.c.calls.PromptSession(ctx, id, nil, prompt))
}

// Turns are the turns of a session, the first one first.
func (s *Sessions) Turns(ctx context.Context, id string) ([]Turn, error) {
	return data[Turn](s.c.calls.ListSessionTurns(ctx, id))
}

// Terminate ends a session, whatever it does, and its Sprite.
func (s *Sessions) Terminate(ctx context.Context, id string) error {
	_, err := decode[gen.SessionTerminated](s.c.calls.TerminateSession(ctx, id))
	return err
}

// Delete removes a session that is not active, with its turns and its log.
func (s *Sessions) Delete(ctx context.Context, id string) error {
	_, err := decode[gen.Deleted](s.c.calls.DeleteSession(ctx, id))
	return err
}
