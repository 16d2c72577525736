package server

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/agent-on-demand/aod/store"
)

var (
	errNoPath       = store.NotFound("Not found")
	errNoCredential = store.Unauthorized("Missing or invalid Authorization header")
	errNoMethod     = echo.NewHTTPError(http.StatusMethodNotAllowed, "Method not allowed")
)

// authenticate finds out who asks, and answers requests that no operation of the
// document takes: an unknown path is told to anybody, an unknown method of a path
// that needs a token only to those who have one.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		methods := s.validator.allowed(c)
		if len(methods) == 0 {
			return errNoPath
		}
		op, handle := s.validator.operation(c), next
		r := requestOf(c.Request().Context())
		r.operation, r.session = op, c.Param("session_id")
		if op == nil {
			c.Response().Header().Set(echo.HeaderAllow, strings.Join(methods, ", "))
			op = s.validator.operations[methods[0]+" "+c.Path()]
			handle = func(echo.Context) error { return errNoMethod }
		}
		if op.public {
			return handle(c)
		}
		token, err := s.bearer(c)
		if err != nil {
			return err
		}
		r.user = token.UserID
		return handle(c)
	}
}

func (s *Server) bearer(c echo.Context) (*store.Token, error) {
	text, ok := strings.CutPrefix(c.Request().Header.Get(echo.HeaderAuthorization), "Bearer ")
	if !ok {
		return nil, errNoCredential
	}
	ctx := c.Request().Context()
	token, err := s.store.Authenticate(ctx, text)
	if err != nil {
		return nil, err
	}
	if err := s.store.Used(ctx, token); err != nil { // no reason to refuse what the token may do
		s.log.WarnContext(ctx, "last use of a token could not be noted", "token", token.ID, "error", err)
	}
	return token, nil
}
