package server

import (
	"context"

	"github.com/agent-on-demand/aod/gen"
)

// GetHealth reads from the database and decrypts what it holds.
func (s *Server) GetHealth(ctx context.Context, _ gen.GetHealthRequestObject) (gen.GetHealthResponseObject, error) {
	health := gen.Health{
		Status:    gen.HealthStatusOk,
		Version:   s.version,
		Isolation: s.isolation,
		Checks:    gen.HealthChecks{Store: s.checked(ctx, "store", s.store.Check), Encryption: s.checked(ctx, "encryption", s.store.CheckKeys)},
	}
	if health.Checks.Store == gen.CheckStatusOk && health.Checks.Encryption == gen.CheckStatusOk {
		return gen.GetHealth200JSONResponse(health), nil
	}
	health.Status = gen.HealthStatusUnavailable
	return gen.GetHealth503JSONResponse(health), nil
}

func (s *Server) checked(ctx context.Context, name string, check func(context.Context) error) gen.CheckStatus {
	if err := check(ctx); err != nil {
		s.log.WarnContext(ctx, "health check failed", "check", name, "error", err)
		return gen.CheckStatusFailed
	}
	return gen.CheckStatusOk
}
