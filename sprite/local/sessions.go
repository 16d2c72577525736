package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/shim"
	"golang.org/x/sys/unix"
)

// defaultKillTime is how long a signalled command has before it is killed, and maxKillTime the longest that a client may ask for.
const (
	defaultKillTime = 10 * time.Second
	maxKillTime     = time.Hour
)

type session struct {
	ID             string    `json:"id"`
	Command        string    `json:"command"`
	Workdir        string    `json:"workdir"`
	Created        time.Time `json:"created"`
	BytesPerSecond float64   `json:"bytes_per_second"`
	Active         bool      `json:"is_active"`
	LastActivity   time.Time `json:"last_activity"`
	TTY            bool      `json:"tty"`
}

// listSessions lists what runs, the leftovers of ended commands included. It does not wake a cold Sprite, in which nothing runs.
func (h *Host) listSessions(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodHead { // a version probe
		w.WriteHeader(http.StatusOK)
		return nil
	}
	return h.using(r, func(rec record) error {
		running, err := shim.Sessions(r.Context(), h.dir(rec.Name))
		if err != nil && !errors.Is(err, shim.ErrCold) {
			return fmt.Errorf("list sessions: %w", err)
		}
		out := make([]session, 0, len(running))
		for _, s := range running {
			out = append(out, session{
				ID: s.ID, Command: strings.Join(s.Argv, " "), Workdir: s.Dir, Created: s.Created,
				Active: !s.Exited, LastActivity: s.LastOutput, TTY: s.TTY,
			})
		}
		slices.SortFunc(out, func(a, b session) int { return a.Created.Compare(b.Created) })
		answer(w, http.StatusOK, map[string]any{"count": len(out), "sessions": out})
		return nil
	})
}

// killSession signals a session and tells in lines of JSON what came of it.
func (h *Host) killSession(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	name := "TERM"
	if q.Has("signal") {
		name = q.Get("signal")
	}
	sig, ok := signalNumber(name)
	if !ok {
		return badRequest("unknown signal " + name)
	}
	timeout := defaultKillTime
	if q.Has("timeout") {
		var err error
		if timeout, err = duration(q.Get("timeout")); err != nil || timeout > maxKillTime {
			return badRequest("timeout must be a duration of at most " + maxKillTime.String())
		}
	}
	rec, err := h.load(r.PathValue("name"))
	if err != nil {
		return err
	}
	// Whoever waits for a command's end does not hold the Sprite.
	k, err := shim.Kill(r.Context(), h.dir(rec.Name), r.PathValue("id"), sig, timeout)
	if _, gone := h.load(rec.Name); err != nil && errors.Is(gone, errNoSprite) {
		return errNoSprite
	}
	if err != nil {
		return fmt.Errorf("kill session: %w", err)
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	tell(w, k, unix.SignalName(sig))
	return nil
}

// tell writes the lines of a kill. A client that is gone does not read them.
func tell(w http.ResponseWriter, k shim.Killed, signal string) {
	lines := []map[string]any{{"type": "signal", "message": "signal sent", "signal": signal, "pid": k.Pid}}
	if k.Forced {
		lines = append(lines, map[string]any{"type": "timeout", "message": "still running"}, map[string]any{"type": "killed", "message": "killed"})
	} else if k.Exited {
		lines = append(lines, map[string]any{"type": "exited", "message": "exited"})
	}
	lines = append(lines, map[string]any{"type": "complete", "exit_code": k.Code})
	enc := json.NewEncoder(w)
	for _, l := range lines {
		if enc.Encode(l) != nil {
			return
		}
	}
}

// signalNumber knows TERM and SIGTERM alike.
func signalNumber(name string) (unix.Signal, bool) {
	sig, ok := signals[strings.TrimPrefix(strings.ToUpper(name), "SIG")]
	return sig, ok
}
