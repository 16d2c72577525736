package aod

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/agent-on-demand/aod/gen"
)

// What errors.Is compares an *Error with.
var (
	ErrUnauthorized = errors.New("unauthorized")             // 401, 403
	ErrNotFound     = errors.New("not found")                // 404
	ErrConflict     = errors.New("conflict")                 // 409
	ErrValidation   = errors.New("invalid request")          // 400, 422
	ErrRateLimit    = errors.New("too many active sessions") // 429
	ErrServer       = errors.New("server error")             // 500 and above
)

// Error is an answer of the server that refuses a call.
type Error struct {
	StatusCode int
	Detail     string    // the reason, in the server's words
	Problems   []Problem // which fields are wrong and why, if that is the reason
	Limit      int       // of a 429: how many sessions may be active at once
	Active     int       // of a 429: how many are
	Method     string
	URL        string
	RequestID  string // by which the server's log knows the call
}

// Problem is what is wrong with one field.
type Problem = gen.ValidationErrorItem

func (e *Error) Error() string {
	return fmt.Sprintf("%s %s -> %d: %s", e.Method, e.URL, e.StatusCode, e.Detail)
}

// Is says whether the status is of that kind.
func (e *Error) Is(kind error) bool {
	switch e.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return kind == ErrUnauthorized
	case http.StatusNotFound:
		return kind == ErrNotFound
	case http.StatusConflict:
		return kind == ErrConflict
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return kind == ErrValidation
	case http.StatusTooManyRequests:
		return kind == ErrRateLimit
	}
	return e.StatusCode >= 500 && kind == ErrServer
}

const refusalLimit = 1 << 20 // bytes of an answer that says why

// refusal reads an answer that refuses a call.
func refusal(answer *http.Response) error {
	defer answer.Body.Close()
	e := &Error{StatusCode: answer.StatusCode, Method: answer.Request.Method, URL: answer.Request.URL.Redacted(), RequestID: answer.Header.Get("X-Request-Id")}
	if place := answer.Header.Get("Location"); place != "" && answer.StatusCode < 400 {
		e.Detail = "the server is at " + place
		return e
	}
	text, _ := io.ReadAll(io.LimitReader(answer.Body, refusalLimit)) // what there is of it
	var body struct {
		Detail        json.RawMessage
		Limit, Active int
	}
	if json.Unmarshal(text, &body) != nil || body.Detail == nil {
		e.Detail = brief(string(text), answer.StatusCode)
		return e
	}
	e.Limit, e.Active = body.Limit, body.Active
	if json.Unmarshal(body.Detail, &e.Detail) == nil {
		return e
	}
	if json.Unmarshal(body.Detail, &e.Problems) != nil {
		e.Detail = string(body.Detail)
		return e
	}
	var said []string
	for _, p := range e.Problems {
		var path []string
		for _, step := range p.Loc {
			path = append(path, fmt.Sprint(step))
		}
		said = append(said, strings.TrimPrefix(strings.Join(path, ".")+": "+strings.TrimPrefix(p.Msg, "Value error, "), ": "))
	}
	e.Detail = strings.Join(said, "; ")
	return e
}

// brief is the beginning of an answer that is not the API's, as of a proxy.
func brief(text string, status int) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if line == "" || !utf8.ValidString(line) || strings.HasPrefix(line, "<") {
		return http.StatusText(status)
	}
	return line[:min(len(line), 200)]
}
