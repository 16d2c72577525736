// Package server is the HTTP edge: it decodes, asks the store or the turns, and
// encodes. What is not in the API document reaches no handler.
package server

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/agent-on-demand/aod/api"
	"github.com/agent-on-demand/aod/gen"
	"github.com/agent-on-demand/aod/server/explorer"
	"github.com/agent-on-demand/aod/server/hub"
	"github.com/agent-on-demand/aod/server/metrics"
	"github.com/agent-on-demand/aod/server/traces"
	"github.com/agent-on-demand/aod/sprite/turn"
	"github.com/agent-on-demand/aod/store"
)

// parts are what a Server works with.
type parts struct {
	store    *store.Store
	turns    *turn.Supervisor
	hub      *hub.Hub
	metrics  *metrics.Metrics
	tracer   *traces.Tracer // nil if nobody wants traces
	runnable func() bool    // whether sessions are known to run
}

// Server implements every operation of the API document.
type Server struct {
	parts
	validator *validator
	turnstile turnstile
	log       *slog.Logger
	version   string
	isolation gen.Isolation
	yaml      []byte // the document as it is served
	json      []byte
	explorer  *explorer.Explorer
	handler   http.Handler

	stopping context.Context // ends the streams
	stop     context.CancelFunc
}

var _ gen.StrictServerInterface = (*Server)(nil)

func newServer(p parts, c Config) (*Server, error) {
	s := &Server{parts: p, log: c.Log, version: c.Version, isolation: c.isolation(), turnstile: turnstile{inside: map[gate]chan struct{}{}}}
	s.stopping, s.stop = context.WithCancel(context.Background())
	var err error
	if s.yaml, s.json, err = documents(c.PublicURL); err != nil {
		return nil, err
	}
	if s.explorer, err = explorer.Built(); err != nil {
		return nil, err
	}
	if s.validator, err = newValidator(api.Document, rules, map[string]precondition{"promptSession": s.promptable, "streamSession": oneCursor}); err != nil {
		return nil, err
	}
	s.handler = s.routes(c.CORSOrigins)
	return s, nil
}

// routes puts the middleware around the generated routes, outermost first.
func (s *Server) routes(origins []string) http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.handleError
	e.Use(identify)
	if s.tracer != nil {
		e.Use(s.trace)
	}
	e.Use(s.logAccess, recoverPanic, deadlines)
	if len(origins) > 0 {
		e.Use(middleware.CORSWithConfig(middleware.CORSConfig{
			AllowOrigins:  origins,
			AllowMethods:  []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete},
			AllowHeaders:  []string{echo.HeaderAuthorization, echo.HeaderContentType, "Last-Event-ID", echo.HeaderXRequestID, headerKey},
			ExposeHeaders: []string{echo.HeaderXRequestID, headerReplayed},
		}))
	}
	e.Use(s.explore, s.authenticate, s.once, s.validator.middleware)
	gen.RegisterHandlers(e, gen.NewStrictHandler(s, nil))
	return e
}
