package server

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// explore answers what people's browsers ask for. The explorer is no operation of the
// document and needs no token.
func (s *Server) explore(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		page := s.explorer.Handler(c.Request())
		if page == nil {
			return next(c)
		}
		if method := c.Request().Method; method != http.MethodGet && method != http.MethodHead {
			c.Response().Header().Set(echo.HeaderAllow, "GET, HEAD")
			return errNoMethod
		}
		page.ServeHTTP(c.Response(), c.Request())
		return nil
	}
}
