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
	maxDepth    = 200     // of lists and objects in each other; readers of the answers have limits too
	bodyTimeout = 30 * time.Second
)

var (
	errNoJSON   = store.BadRequest("Invalid JSON")
	errTooLarge = echo.NewHTTPError(http.StatusRequestEntityTooLarge, fmt.Sprintf("Request body is larger than %d MiB", maxBody>>20))
	errTooSlow  = echo.NewHTTPError(http.StatusRequestTimeout, fmt.Sprintf("Request body did not come within %d seconds", int(bodyTimeout.Seconds())))
)

// deadlines gives every answer a deadline, which the stream moves on with each of
// its writes, and every body that is announced, also where nobody reads it:
// net/http waits for the body before it answers.
func deadlines(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		connection := http.NewResponseController(c.Response())
		if err := connection.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return fmt.Errorf("set write deadline: %w", err)
		}
		if c.Request().ContentLength != 0 {
			if err := connection.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
				return fmt.Errorf("set read deadline: %w", err)
			}
		}
		return next(c)
	}
}

// read returns the body of a request, if it is not too large and comes in time.
func read(c echo.Context) ([]byte, error) {
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
	return text, http.NewResponseController(c.Response()).SetReadDeadline(time.Time{})
}

func decode(text []byte) (value any, err error) {
	if !utf8.Valid(text) || depth(text) > maxDepth {
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

// depth returns how deep lists and objects are nested in a JSON text.
func depth(text []byte) int {
	deepest, now := 0, 0
	inString := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			now++
			deepest = max(deepest, now)
		case c == ']' || c == '}':
			now--
		}
	}
	return deepest
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
