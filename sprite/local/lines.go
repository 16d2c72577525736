package local

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// lines are an answer that tells what happens, as one JSON object a line.
type lines struct {
	out  *http.ResponseController
	json *json.Encoder
}

func newLines(w http.ResponseWriter) *lines {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	return &lines{http.NewResponseController(w), json.NewEncoder(w)}
}

func (l *lines) info(text string) { l.tell("info", "data", text) }

func (l *lines) progress(entries, bytes int64) {
	l.info(fmt.Sprintf("%d files, %d MiB so far", entries, bytes>>20))
}

// tell writes a line. A client that has left is noticed by its context.
func (l *lines) tell(kind, key, text string) {
	_ = l.out.SetWriteDeadline(time.Now().Add(aliveTime))
	_ = l.json.Encode(map[string]any{"type": kind, key: text, "time": time.Now().UTC()})
	_ = l.out.Flush()
}

// finish writes the last line.
func (h *Host) finish(r *http.Request, l *lines, err error, success string) {
	if err != nil {
		h.complain(r, err)
		l.tell("error", "error", shorten(err.Error()))
		return
	}
	l.tell("complete", "data", success)
}
