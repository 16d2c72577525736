package server

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/agent-on-demand/aod/store"
)

var errCursor = store.BadRequest("since must be an integer")

// oneCursor refuses a cursor that is given twice in one place.
func oneCursor(c echo.Context) error {
	query, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil || len(query["since"]) > 1 || len(c.Request().Header.Values("Last-Event-ID")) > 1 {
		return errCursor
	}
	return nil
}

// cursor returns the id of the last row that the client has: the header's unless
// it is empty, else the query's, else 0.
func cursor(header, query *string) (int64, error) {
	text := query
	if header != nil && *header != "" {
		text = header
	}
	if text == nil {
		return 0, nil
	}
	digits := strings.TrimSpace(*text)
	if !decimal.MatchString(digits) {
		return 0, errCursor
	}
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // one that is out of range counts as the nearest
		return 0, errCursor
	}
	return max(id, 0), nil
}

var decimal = regexp.MustCompile(`\A[+-]?[0-9]+\z`)
