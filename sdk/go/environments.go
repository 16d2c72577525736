package aod

import (
	"context"
	"iter"
	"net/http"

	"github.com/agent-on-demand/aod/gen"
)

// The environment as the API knows it.
type (
	Environment        = gen.Environment
	EnvironmentVersion = gen.EnvironmentVersion
	EnvironmentCreate  = gen.EnvironmentCreate
	EnvironmentUpdate  = gen.EnvironmentUpdate
	EnvironmentFilter  = gen.ListEnvironmentsParams
)

// Environments makes the calls that are about environments.
type Environments struct{ c *Client }

// Create makes an environment.
func (e *Environments) Create(ctx context.Context, environment EnvironmentCreate) (*Environment, error) {
	return decode[Environment](e.c.calls.CreateEnvironment(ctx, nil, environment))
}

// List yields the environments that are not archived, the newest first, and asks for them
// page by page. Limit of the filter is the size of a page.
func (e *Environments) List(ctx context.Context, filter EnvironmentFilter) iter.Seq2[Environment, error] {
	return pages[Environment](filter.Limit, func(limit *int, cursor *string) (*http.Response, error) {
		filter.Limit, filter.Cursor = limit, cursor
		return e.c.calls.ListEnvironments(ctx, &filter)
	})
}

// Get finds an environment by its id.
func (e *Environments) Get(ctx context.Context, id string) (*Environment, error) {
	return decode[Environment](e.c.calls.GetEnvironment(ctx, id))
}

// Update changes the version of an environment that is named, which makes the next one.
func (e *Environments) Update(ctx context.Context, id string, change EnvironmentUpdate) (*Environment, error) {
	return decode[Environment](e.c.calls.UpdateEnvironment(ctx, id, change))
}

// Archive hides an environment from lists and keeps it from new sessions.
func (e *Environments) Archive(ctx context.Context, id string) (*Environment, error) {
	return decode[Environment](e.c.calls.ArchiveEnvironment(ctx, id))
}

// Delete removes an environment that no session has, with its versions.
func (e *Environments) Delete(ctx context.Context, id string) error {
	_, err := decode[gen.Deleted](e.c.calls.DeleteEnvironment(ctx, id))
	return err
}

// Versions are an environment's versions, the newest first.
func (e *Environments) Versions(ctx context.Context, id string) ([]EnvironmentVersion, error) {
	return data[EnvironmentVersion](e.c.calls.ListEnvironmentVersions(ctx, id))
}
