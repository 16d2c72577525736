package server

import (
	"context"

	"github.com/agent-on-demand/aod/gen"
)

// GetLiveness answers.
func (s *Server) GetLiveness(context.Context, gen.GetLivenessRequestObject) (gen.GetLivenessResponseObject, error) {
	return gen.GetLiveness200JSONResponse{Status: gen.HealthStatusOk}, nil
}

// GetReadiness says whether requests should be sent to this server.
func (s *Server) GetReadiness(ctx context.Context, _ gen.GetReadinessRequestObject) (gen.GetReadinessResponseObject, error) {
	ready := s.readiness(ctx)
	if ready.Status == gen.HealthStatusOk {
		return gen.GetReadiness200JSONResponse(ready), nil
	}
	return gen.GetReadiness503JSONResponse(ready), nil
}

// readiness looks at what is known and runs nothing. A server that is not there yet is
// nil, and not ready.
func (s *Server) readiness(ctx context.Context) gen.Readiness {
	ready := gen.Readiness{Status: gen.HealthStatusOk, Checks: gen.ReadinessChecks{
		Serving: gen.CheckStatusFailed, Sessions: gen.CheckStatusFailed, Store: gen.CheckStatusFailed, Encryption: gen.CheckStatusFailed,
	}}
	if s != nil {
		ready.Checks = gen.ReadinessChecks{
			Serving: passed(s.stopping.Err() == nil), Sessions: passed(s.runnable()),
			Store: s.checked(ctx, "store", s.store.Check), Encryption: s.checked(ctx, "encryption", s.store.CheckKeys),
		}
	}
	all := gen.ReadinessChecks{Serving: gen.CheckStatusOk, Sessions: gen.CheckStatusOk, Store: gen.CheckStatusOk, Encryption: gen.CheckStatusOk}
	if ready.Checks != all {
		ready.Status = gen.HealthStatusUnavailable
	}
	return ready
}

func passed(fact bool) gen.CheckStatus {
	if fact {
		return gen.CheckStatusOk
	}
	return gen.CheckStatusFailed
}
