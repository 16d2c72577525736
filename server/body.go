package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/agent-on-demand/aod/store"
)

const (
	maxBody     = 8 << 20 // bytes
	bodyTimeout = 30 * time.Second
)

var (
	errNoJSON   = store.BadRequest("Invalid JSON")
	errTooLarge = echo.NewHTTPError(http.StatusRequestEntityTooLarge, fmt.Sprintf("Request body is larger than %d MiB", maxBody>>20))
	errTooSlow  = echo.NewHTTPError(http.StatusRequestTimeout, fmt.Sprintf("Request body did not come within %d seconds", int(bodyTimeout.Seconds())))
)

// read returns the body of a request, if it is not too large and comes in time.
func read(c echo.Context) ([]byte, error) {
	deadlines := http.NewResponseController(c.Response())
	if err := deadlines.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
		return nil, fmt.Errorf("set read deadline: %w", err)
	}
	text, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, errTooLarge
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errTooSlow
	}
	if err != nil {
		return nil, errNoJSON // cut short
	}
	return text, deadlines.SetReadDeadline(time.Time{})
}

func decode(text []byte) (value any, err error) {
	if !utf8.Valid(text) {
		return nil, errNoJSON
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return nil, errNoJSON
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errNoJSON
	}
	return value, nil
}

// integer returns the integer that clients may also write as "30", 30.0 or true;
// anything else as it is.
func integer(value any) any {
	switch v := value.(type) {
	case bool:
		if v {
			return json.Number("1")
		}
		return json.Number("0")
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return json.Number(strconv.FormatInt(n, 10))
		}
	case json.Number:
		const exact = 1 << 53
		if f, err := v.Float64(); err == nil && f == math.Trunc(f) && math.Abs(f) < exact {
			return json.Number(strconv.FormatInt(int64(f), 10))
		}
	}
	return value
}
