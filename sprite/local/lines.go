package local

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// lines are an answer that tells what happens, as one JSON object a line.
type lines struct {
	out  *http.ResponseController
	json *json.Encoder

	mu    sync.Mutex
	ended bool // nothing is written any more
	last  bool // and then the last line is
}

func newLines(w http.ResponseWriter) *lines {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	return &lines{out: http.NewResponseController(w), json: json.NewEncoder(w)}
}

// until keeps a client that does not read from holding up what ends with ctx. The last line can be written after the returned function.
func (l *lines) until(ctx context.Context) (done func()) {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.last {
			return
		}
		l.ended = true
		_ = l.out.SetWriteDeadline(time.Unix(1, 0))
	})
	return func() {
		stop()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ended, l.last = false, true
	}
}

func (l *lines) info(text string) { l.tell("info", "data", text) }

func (l *lines) progress(entries, bytes int64) {
	l.info(fmt.Sprintf("%d files, %d MiB so far", entries, bytes>>20))
}

// tell writes a line. A client that has left is noticed by its context.
func (l *lines) tell(kind, key, text string) {
	l.mu.Lock()
	ended := l.ended
	if !ended {
		_ = l.out.SetWriteDeadline(time.Now().Add(aliveTime))
	}
	l.mu.Unlock()
	if ended {
		return
	}
	_ = l.json.Encode(map[string]any{"type": kind, key: text, "time": time.Now().UTC()})
	_ = l.out.Flush()
}

// finish writes the last line. The connection goes on without a deadline.
func (h *Host) finish(r *http.Request, l *lines, err error, success string) {
	defer l.out.SetWriteDeadline(time.Time{})
	if err != nil {
		h.complain(r, err)
		l.tell("error", "error", shorten(err.Error()))
		return
	}
	l.tell("complete", "data", success)
}
