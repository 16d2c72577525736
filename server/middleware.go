package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

const maxRequestID = 128

// identify gives every request an id: the caller's if it is decent, else a new one.
func identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !visible(id) || len(id) > maxRequestID {
			id = uuid.NewString()
		}
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		know(c, id)
		return next(c)
	}
}

// visible reports whether s is made of visible ASCII characters, one at least.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// recoverPanic turns a panic into a failed request.
func recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				if c.Response().Committed {
					panic(http.ErrAbortHandler) // the client must not take what it has for all
				}
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return next(c)
	}
}

// logAccess writes a line per request: its path, if it is one of the document's, and
// never the query or a header.
func (s *Server) logAccess(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		if err := next(c); err != nil {
			c.Error(err) // answered here, so that the line has the status
		}
		took, ctx := time.Since(began), c.Request().Context()
		s.count(c, took)
		level := slog.LevelDebug
		if c.Response().Status >= http.StatusInternalServerError {
			level = slog.LevelWarn
		}
		if !s.log.Enabled(ctx, level) {
			return nil
		}
		path := c.Request().URL.Path
		if c.Response().Status == http.StatusNotFound && s.validator.allowed(c) == nil {
			path = "unknown" // and may be anything
		}
		line := []slog.Attr{
			slog.String("method", c.Request().Method), slog.String("path", path),
			slog.Int("status", c.Response().Status), slog.Int64("bytes", c.Response().Size), slog.Duration("took", took),
		}
		r := requestOf(ctx)
		if r.session != "" {
			line = append(line, slog.String("session_id", r.session))
		}
		if r.turn != 0 {
			line = append(line, slog.Int("turn", r.turn))
		}
		s.log.LogAttrs(ctx, level, "request", line...)
		return nil
	}
}

// count tells the metrics of a request by its operation's name.
func (s *Server) count(c echo.Context, took time.Duration) {
	method, status := c.Request().Method, c.Response().Status
	switch op := requestOf(c.Request().Context()).operation; {
	case op == nil:
		s.metrics.Request("unknown", method, status, took)
	case op.id == "streamSession" && status == http.StatusOK:
		s.metrics.Stream(op.id, method, status)
	default:
		s.metrics.Request(op.id, method, status, took)
	}
}
