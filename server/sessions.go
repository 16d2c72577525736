package server

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/agent-on-demand/aod/gen"
	"github.com/agent-on-demand/aod/sprite/runtimes"
	"github.com/agent-on-demand/aod/store"
)

// defaultTimeout is how many seconds a turn may take if the request does not say.
const defaultTimeout = 600

// CreateSession starts a session and answers before anything is run.
func (s *Server) CreateSession(ctx context.Context, r gen.CreateSessionRequestObject) (gen.CreateSessionResponseObject, error) {
	spec := store.SessionSpec{
		AgentID: r.Body.AgentID, EnvironmentID: unlessEmpty(r.Body.EnvironmentID), Prompt: r.Body.Prompt, Timeout: timeout(r.Body.Timeout),
		Resources: make([]store.Resource, len(r.Body.Resources)), Repositories: map[string]store.Secret{}, Variables: sealed(r.Body.SecretEnvVars),
	}
	for i, given := range r.Body.Resources {
		resource := store.Resource{Type: string(given.Type), URL: canonicalURL(given.URL), MountPath: mountPath(given.URL, value(given.MountPath))}
		spec.Resources[i] = resource
		if token := value(given.AuthorizationToken); token != "" {
			spec.Repositories[resource.MountPath] = store.NewSecret(token)
		}
	}
	session, err := s.turns.Create(ctx, user(ctx), spec, receipt(ctx, http.StatusAccepted, createdBody))
	if err != nil {
		return nil, err
	}
	about(ctx, session.ID, session.TurnCount)
	return gen.CreateSession202JSONResponse{Body: createdBody(session)}, nil
}

func createdBody(s *store.Session) gen.SessionCreated {
	return gen.SessionCreated{
		ID: s.ID, Status: gen.SessionStatusPending, StreamURL: streamURL(s.ID), EnvironmentID: s.EnvironmentID,
		Resources: each(s.Resources, resourceBody), CurrentTurn: s.TurnCount,
	}
}

// ListSessions returns the user's sessions.
func (s *Server) ListSessions(ctx context.Context, r gen.ListSessionsRequestObject) (gen.ListSessionsResponseObject, error) {
	page, err := pageOf(r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	statuses := each(r.Params.Status, func(s *gen.SessionStatus) store.Status { return store.Status(*s) })
	sessions, err := s.store.Sessions(ctx, user(ctx), statuses, value(r.Params.AgentID), page)
	if err != nil {
		return nil, err
	}
	body := gen.ListSessions200JSONResponse{Data: each(sessions.Rows, sessionBody)}
	body.HasMore, body.NextCursor = more(page, sessions)
	return body, nil
}

// GetSession returns a session.
func (s *Server) GetSession(ctx context.Context, r gen.GetSessionRequestObject) (gen.GetSessionResponseObject, error) {
	session, err := s.store.Session(ctx, user(ctx), r.SessionID)
	if err != nil {
		return nil, err
	}
	return gen.GetSession200JSONResponse(sessionBody(session)), nil
}

// promptable refuses a prompt for a session whose state takes none, before the
// prompt itself is looked at.
func (s *Server) promptable(c echo.Context) error {
	ctx := c.Request().Context()
	return s.store.CheckPromptable(ctx, user(ctx), c.Param("session_id"))
}

// PromptSession adds a turn to a session.
func (s *Server) PromptSession(ctx context.Context, r gen.PromptSessionRequestObject) (gen.PromptSessionResponseObject, error) {
	prompted := func(number int) gen.SessionPrompted {
		return gen.SessionPrompted{ID: r.SessionID, Status: gen.SessionStatusPending, StreamURL: streamURL(r.SessionID), CurrentTurn: number}
	}
	number, err := s.turns.Prompt(ctx, user(ctx), r.SessionID, r.Body.Prompt, timeout(r.Body.Timeout), receipt(ctx, http.StatusAccepted, prompted))
	if err != nil {
		return nil, err
	}
	about(ctx, r.SessionID, number)
	return gen.PromptSession202JSONResponse{Body: prompted(number)}, nil
}

// ListSessionTurns returns the turns of a session.
func (s *Server) ListSessionTurns(ctx context.Context, r gen.ListSessionTurnsRequestObject) (gen.ListSessionTurnsResponseObject, error) {
	turns, err := s.store.Turns(ctx, user(ctx), r.SessionID)
	if err != nil {
		return nil, err
	}
	return gen.ListSessionTurns200JSONResponse{Data: each(turns, turnBody)}, nil
}

// TerminateSession ends a session for good.
func (s *Server) TerminateSession(ctx context.Context, r gen.TerminateSessionRequestObject) (gen.TerminateSessionResponseObject, error) {
	if err := s.turns.Terminate(ctx, user(ctx), r.SessionID); err != nil {
		return nil, err
	}
	return gen.TerminateSession200JSONResponse{ID: r.SessionID, Status: gen.SessionStatusTerminated}, nil
}

// DeleteSession removes a session that is not active.
func (s *Server) DeleteSession(ctx context.Context, r gen.DeleteSessionRequestObject) (gen.DeleteSessionResponseObject, error) {
	if err := s.turns.Delete(ctx, user(ctx), r.SessionID); err != nil {
		return nil, err
	}
	return gen.DeleteSession200JSONResponse{Detail: "Session deleted"}, nil
}

func timeout(seconds *int) int {
	if seconds == nil {
		return defaultTimeout
	}
	return *seconds
}

func streamURL(session string) string { return "/sessions/" + session + "/stream" }

// provider is the provider of a session's model; if its agent is gone, it follows
// from the runtime.
func provider(s *store.Session) string {
	if s.AgentID == nil {
		return runtimes.ProviderOf(s.Runtime, "")
	}
	return runtimes.ProviderOf(s.Runtime, s.Model)
}

func sessionBody(s *store.Session) gen.Session {
	body := gen.Session{
		ID: s.ID, AgentID: s.AgentID, EnvironmentID: s.EnvironmentID, Runtime: gen.Runtime(s.Runtime), Provider: provider(s),
		Status: gen.SessionStatus(s.Status), ExitCode: s.ExitCode, CreatedAt: moment(s.CreatedAt), UpdatedAt: moment(s.UpdatedAt),
		Resources: each(s.Resources, resourceBody), TurnCount: s.TurnCount,
	}
	if s.TurnCount > 0 {
		body.CurrentTurn = &s.TurnCount
	}
	return body
}

func resourceBody(r *store.Resource) gen.Resource {
	return gen.Resource{Type: gen.ResourceType(r.Type), URL: r.URL, MountPath: r.MountPath}
}

func turnBody(t *store.Turn) gen.Turn {
	return gen.Turn{
		TurnNumber: t.Number, Prompt: t.Prompt, Status: gen.TurnStatus(t.Status), ExitCode: t.ExitCode,
		CreatedAt: moment(t.CreatedAt), StartedAt: momentOrNull(t.StartedAt), EndedAt: momentOrNull(t.EndedAt),
	}
}
