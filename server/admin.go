package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/agent-on-demand/aod/gen"
	"github.com/agent-on-demand/aod/server/metrics"
)

// adminTimeout bounds each request to the admin listener; a profile moves it on.
const adminTimeout = 30 * time.Second

// admin is a listener for whoever operates the server, and asks for no token. It is open
// from before the store is opened until after it is closed.
type admin struct {
	listener net.Listener
	http     *http.Server
	log      *slog.Logger
	serving  atomic.Pointer[Server] // nil until requests are answered
}

// openAdmin listens at an address, or returns nil if there is none.
func openAdmin(addr string, m *metrics.Metrics, log *slog.Logger) (*admin, error) {
	if addr == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for the operator (choose another address with --admin-addr or AOD_ADMIN_ADDR): %w", err)
	}
	if !loopback(addr) {
		log.Warn("the admin listener asks for no token and can be reached from other machines: let only those in that may see metrics and profiles", "addr", addr)
	}
	a := &admin{listener: listener, log: log}
	a.http = &http.Server{
		Handler:           a.routes(m),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       adminTimeout,
		WriteTimeout:      adminTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		if err := a.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the admin listener has ended", "error", err)
		}
	}()
	return a, nil
}

func (a *admin) routes(m *metrics.Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler(a.log))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		a.answer(w, http.StatusOK, gen.Liveness{Status: gen.HealthStatusOk})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ready, status := a.serving.Load().readiness(r.Context()), http.StatusOK
		if ready.Status != gen.HealthStatusOk {
			status = http.StatusServiceUnavailable
		}
		a.answer(w, status, ready)
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

func (a *admin) answer(w http.ResponseWriter, status int, body any) {
	text, err := encode(body)
	if err == nil {
		w.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
		w.WriteHeader(status)
		_, err = w.Write(text)
	}
	if err != nil {
		a.log.Debug("answer could not be written", "error", err)
	}
}

// serve says which server the answers are about.
func (a *admin) serve(s *Server) {
	if a != nil {
		a.serving.Store(s)
	}
}

// url is where the listener is; empty if there is none.
func (a *admin) url() string {
	if a == nil {
		return ""
	}
	return "http://" + a.listener.Addr().String()
}

// close gives what is being answered a little time.
func (a *admin) close() error {
	if a == nil {
		return nil
	}
	closing, cancel := context.WithTimeout(context.Background(), partingTimeout)
	defer cancel()
	if a.http.Shutdown(closing) != nil { // a profile, which nobody waits for
		return a.http.Close()
	}
	return nil
}
