package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/agent-on-demand/aod/gen"
	"github.com/agent-on-demand/aod/store"
)

// unrestricted is the network of an environment that says nothing of it.
var unrestricted = json.RawMessage(`{"type":"unrestricted"}`)

// CreateEnvironment stores an environment.
func (s *Server) CreateEnvironment(ctx context.Context, r gen.CreateEnvironmentRequestObject) (gen.CreateEnvironmentResponseObject, error) {
	spec := store.EnvironmentSpec{
		Name: r.Body.Name, Packages: r.Body.Packages, EnvVars: sealed(r.Body.EnvVars), SetupScript: value(r.Body.SetupScript), Networking: unrestricted,
	}
	if r.Body.Networking != nil {
		spec.Networking = typed(r.Body.Networking)
	}
	env, err := s.store.CreateEnvironment(ctx, user(ctx), spec, receipt(ctx, http.StatusCreated, environmentBody))
	if err != nil {
		return nil, err
	}
	return gen.CreateEnvironment201JSONResponse{Body: environmentBody(env)}, nil
}

// ListEnvironments returns the user's environments that are not archived.
func (s *Server) ListEnvironments(ctx context.Context, r gen.ListEnvironmentsRequestObject) (gen.ListEnvironmentsResponseObject, error) {
	page, err := pageOf(r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	environments, err := s.store.Environments(ctx, user(ctx), page)
	if err != nil {
		return nil, err
	}
	body := gen.ListEnvironments200JSONResponse{Data: each(environments.Rows, environmentBody)}
	body.HasMore, body.NextCursor = more(page, environments)
	return body, nil
}

// GetEnvironment returns an environment.
func (s *Server) GetEnvironment(ctx context.Context, r gen.GetEnvironmentRequestObject) (gen.GetEnvironmentResponseObject, error) {
	env, err := s.store.Environment(ctx, user(ctx), r.EnvironmentID)
	if err != nil {
		return nil, err
	}
	return gen.GetEnvironment200JSONResponse(environmentBody(env)), nil
}

// UpdateEnvironment makes the next version of an environment.
func (s *Server) UpdateEnvironment(ctx context.Context, r gen.UpdateEnvironmentRequestObject) (gen.UpdateEnvironmentResponseObject, error) {
	env, err := s.store.UpdateEnvironment(ctx, user(ctx), r.EnvironmentID, r.Body.Version, func(spec *store.EnvironmentSpec) {
		set(&spec.Name, r.Body.Name)
		set(&spec.SetupScript, r.Body.SetupScript)
		if r.Body.Packages != nil {
			spec.Packages = r.Body.Packages
		}
		if r.Body.EnvVars != nil {
			spec.EnvVars = sealed(r.Body.EnvVars)
		}
		if r.Body.Networking != nil && !bytes.Equal(r.Body.Networking, []byte("null")) {
			spec.Networking = typed(r.Body.Networking)
		}
	})
	if err != nil {
		return nil, err
	}
	return gen.UpdateEnvironment200JSONResponse(environmentBody(env)), nil
}

// ArchiveEnvironment hides an environment for good.
func (s *Server) ArchiveEnvironment(ctx context.Context, r gen.ArchiveEnvironmentRequestObject) (gen.ArchiveEnvironmentResponseObject, error) {
	env, err := s.store.ArchiveEnvironment(ctx, user(ctx), r.EnvironmentID)
	if err != nil {
		return nil, err
	}
	s.turns.ForgetEnvironment(env.ID)
	return gen.ArchiveEnvironment200JSONResponse(environmentBody(env)), nil
}

// DeleteEnvironment removes an environment that no session refers to.
func (s *Server) DeleteEnvironment(ctx context.Context, r gen.DeleteEnvironmentRequestObject) (gen.DeleteEnvironmentResponseObject, error) {
	if err := s.store.DeleteEnvironment(ctx, user(ctx), r.EnvironmentID); err != nil {
		return nil, err
	}
	s.turns.ForgetEnvironment(r.EnvironmentID)
	return gen.DeleteEnvironment200JSONResponse{Detail: "Environment deleted"}, nil
}

// ListEnvironmentVersions returns every version of an environment.
func (s *Server) ListEnvironmentVersions(ctx context.Context, r gen.ListEnvironmentVersionsRequestObject) (gen.ListEnvironmentVersionsResponseObject, error) {
	versions, err := s.store.EnvironmentVersions(ctx, user(ctx), r.EnvironmentID)
	if err != nil {
		return nil, err
	}
	return gen.ListEnvironmentVersions200JSONResponse{Data: each(versions, environmentVersionBody)}, nil
}

// sealed hides the variables from everything that prints; nil becomes empty.
func sealed(variables map[string]string) map[string]store.Secret {
	hidden := make(map[string]store.Secret, len(variables))
	for name, text := range variables {
		hidden[name] = store.NewSecret(text)
	}
	return hidden
}

// typed adds the type that is meant where there is none.
func typed(networking json.RawMessage) json.RawMessage {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(networking, &fields); err != nil {
		return unrestricted // it has been validated: it is an object
	}
	if _, given := fields["type"]; given {
		return networking
	}
	fields["type"] = json.RawMessage(`"unrestricted"`)
	text, err := json.Marshal(fields)
	if err != nil {
		return unrestricted
	}
	return text
}

// shown is what clients see of the network: of an unrestricted one the type alone.
func shown(networking json.RawMessage) json.RawMessage {
	fields := map[string]json.RawMessage{} // not a struct, which would take "TYPE" for "type"
	if err := json.Unmarshal(networking, &fields); err == nil && string(fields["type"]) == `"limited"` {
		return networking
	}
	return unrestricted
}

func environmentBody(e *store.Environment) gen.Environment {
	return gen.Environment{
		ID: e.ID, Type: gen.EnvironmentTypeEnvironment, Name: e.Name, Packages: e.Packages, SetupScript: nonEmpty(e.SetupScript),
		Networking: shown(e.Networking), Version: e.Version,
		CreatedAt: moment(e.CreatedAt), UpdatedAt: moment(e.UpdatedAt), ArchivedAt: momentOrNull(e.ArchivedAt),
	}
}

func environmentVersionBody(e *store.EnvironmentVersion) gen.EnvironmentVersion {
	return gen.EnvironmentVersion{
		ID: e.EnvironmentID, Type: gen.EnvironmentVersionTypeEnvironment, Name: e.Name, Packages: e.Packages, SetupScript: nonEmpty(e.SetupScript),
		Networking: shown(e.Networking), Version: e.Version, CreatedAt: moment(e.CreatedAt),
	}
}
