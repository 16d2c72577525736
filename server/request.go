package server

import (
	"context"

	"github.com/labstack/echo/v4"
)

// request is what is known of a request while it is answered. Only the goroutine that
// answers it changes it.
type request struct {
	id        string
	operation *operation // of the document; nil if it has none for the request
	user      string     // whose token it bears
	session   string     // that it is about
	turn      int        // of the session; 0 if it is about all of them
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{}
}

// user returns the id of the user whose token a request bears.
func user(ctx context.Context) string { return requestOf(ctx).user }

// about notes which turn of which session a request has made.
func about(ctx context.Context, session string, turn int) {
	r := requestOf(ctx)
	r.session, r.turn = session, turn
}

// know gives a request its id.
func know(c echo.Context, id string) {
	ctx := context.WithValue(c.Request().Context(), requestKey{}, &request{id: id})
	c.SetRequest(c.Request().WithContext(ctx))
}
