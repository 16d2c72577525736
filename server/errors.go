package server

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/agent-on-demand/aod/sprite/runtimes"
	"github.com/agent-on-demand/aod/store"
)

// statuses are the statuses of the store's refusals.
var statuses = map[store.Kind]int{
	store.KindBadRequest:   http.StatusBadRequest,
	store.KindUnauthorized: http.StatusUnauthorized,
	store.KindNotFound:     http.StatusNotFound,
	store.KindConflict:     http.StatusConflict,
	store.KindInvalid:      http.StatusUnprocessableEntity,
	store.KindQuota:        http.StatusTooManyRequests,
	store.KindUnavailable:  http.StatusServiceUnavailable,
}

// errorBody is the body of every answer that is not a success.
type errorBody struct {
	Detail any  `json:"detail"`
	Limit  *int `json:"limit,omitempty"`
	Active *int `json:"active,omitempty"`
}

// answer is the one place where an error becomes a status and a body. known is
// false for errors that are the server's own fault.
func answer(err error) (status int, body errorBody, known bool) {
	var (
		refusal    *store.Error
		bad        *invalid
		runtime    *runtimes.UnknownRuntime
		provider   *runtimes.UnknownProvider
		mismatch   *runtimes.Mismatch
		httpError  *echo.HTTPError
		statusText = func() string { return http.StatusText(httpError.Code) }
	)
	switch {
	case errors.As(err, &refusal):
		body := errorBody{Detail: refusal.Text}
		if refusal.Kind == store.KindQuota {
			body.Limit, body.Active = &refusal.Limit, &refusal.Active
		}
		return statuses[refusal.Kind], body, true
	case errors.As(err, &bad):
		return http.StatusUnprocessableEntity, errorBody{Detail: bad.problems}, true
	case errors.Is(err, store.ErrCursor):
		return http.StatusUnprocessableEntity, errorBody{Detail: []problem{ruled(hidden, store.ErrCursor.Error(), "query", "cursor")}}, true
	case errors.As(err, &runtime):
		return http.StatusBadRequest, errorBody{Detail: runtime.Error()}, true
	case errors.As(err, &provider):
		return http.StatusUnprocessableEntity, errorBody{Detail: provider.Error()}, true
	case errors.As(err, &mismatch):
		return http.StatusUnprocessableEntity, errorBody{Detail: mismatch.Error()}, true
	case errors.As(err, &httpError) && httpError.Code < http.StatusInternalServerError:
		detail, ok := httpError.Message.(string)
		if !ok {
			detail = statusText()
		}
		return httpError.Code, errorBody{Detail: detail}, true
	}
	return http.StatusInternalServerError, errorBody{Detail: "Internal server error"}, false
}

// handleError answers a request that has failed, unless it is too late for that.
func (s *Server) handleError(err error, c echo.Context) {
	status, body, known := answer(err)
	if !known && c.Request().Context().Err() == nil {
		s.log.ErrorContext(c.Request().Context(), "request failed", "error", err, "route", c.Path())
	}
	if c.Response().Committed {
		return
	}
	text, err := encode(body)
	if err == nil {
		err = c.JSONBlob(status, text)
	}
	if err != nil {
		s.log.DebugContext(c.Request().Context(), "answer could not be written", "error", err)
	}
}
