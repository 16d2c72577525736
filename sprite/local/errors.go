package local

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/agent-on-demand/aod/sprite/local/shim"
)

// apiError is an answer that is an error: its status, code and text.
type apiError struct {
	status int
	code   string
	text   string
}

func (e *apiError) Error() string { return e.text }

var (
	errNoSprite = &apiError{http.StatusNotFound, "not_found", "sprite not found"}
	errExists   = &apiError{http.StatusConflict, "already_exists", "a sprite of this name exists"}
)

func badRequest(text string) error {
	return &apiError{http.StatusBadRequest, "bad_request", text}
}

func notImplemented(text string) error {
	return &apiError{http.StatusNotImplemented, "not_implemented", text}
}

// maxErrorText bounds the JSON of an error's text: clients read 1 KiB of a refused upgrade.
const maxErrorText = 900

// shorten cuts a text until its JSON fits.
func shorten(text string) string {
	text = strings.ToValidUTF8(text, "?")
	for {
		b, err := json.Marshal(text)
		if err == nil && len(b) <= maxErrorText {
			return text
		}
		text = strings.ToValidUTF8(text[:len(text)*9/10], "")
	}
}

// fail answers with err. What is not meant for clients is logged and becomes a 500, which still says what happened: the client of an
// embedded host is its operator's own server.
func (h *Host) fail(w http.ResponseWriter, r *http.Request, err error) {
	var e *apiError
	var failure *shim.Failure
	var refusal *shim.Refusal
	switch {
	case errors.As(err, &failure):
		e = &apiError{http.StatusServiceUnavailable, "sprite_unavailable", failure.Error()}
	case errors.As(err, &refusal):
		e = refused(refusal)
	case !errors.As(err, &e):
		e = &apiError{http.StatusInternalServerError, "internal_error", err.Error()}
	}
	if e.status >= http.StatusInternalServerError && e.status != http.StatusNotImplemented && e.code != shim.DiskFull {
		h.complain(r, err)
	}
	answer(w, e.status, map[string]string{"error": e.code, "message": shorten(e.text)})
}

// complain logs what went wrong, unless it is that the client has left.
func (h *Host) complain(r *http.Request, err error) {
	level := slog.LevelError
	if r.Context().Err() != nil {
		level = slog.LevelDebug
	}
	h.log.Log(r.Context(), level, "local sprites host", "method", r.Method, "path", r.URL.Path, "error", err)
}

// refused maps what a Sprite says no to.
func refused(r *shim.Refusal) *apiError {
	status := http.StatusBadRequest
	switch r.Kind {
	case shim.NoSession:
		status = http.StatusNotFound
	case shim.SessionOver, shim.SessionLost:
		status = http.StatusGone
	case shim.DiskFull:
		status = http.StatusInsufficientStorage
	case shim.OtherVersion:
		status = http.StatusServiceUnavailable
	}
	return &apiError{status, r.Kind, r.Text}
}

// answer writes v as JSON. A client that is gone does not read it.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
