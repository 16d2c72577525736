// Package tasks serves the Tasks API of a Sprite to the programs in it, who may send anything.
package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxTasks    = 100
	maxTaskName = 128
	maxTaskBody = 64 << 10
	maxTaskTime = time.Hour
	// taskTime is how long a task lives that does not say.
	taskTime = 5 * time.Minute
)

// Tasks are what keeps a Sprite warm though nothing is seen to run in it. Programs inside name them and say when they end at the latest.
type Tasks struct {
	// over is called, without a lock, when the last task has ended.
	over func()

	mu    sync.Mutex
	all   map[string]task
	timer *time.Timer // of the task that ends first
}

// task is the wire form as well.
type task struct {
	Name    string    `json:"name"`
	Started time.Time `json:"started_at"`
	Expires time.Time `json:"expires_at"`
}

// New returns no tasks. over is called whenever the last one has ended.
func New(over func()) *Tasks { return &Tasks{over: over, all: map[string]task{}} }

// Live says whether a task has not ended.
func (t *Tasks) Live() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	return len(t.all) > 0
}

// expire forgets what is over and sets the timer for what ends next; the caller holds mu.
func (t *Tasks) expire() {
	now := time.Now()
	var next time.Time
	for name, k := range t.all {
		if !k.Expires.After(now) {
			delete(t.all, name)
		} else if next.IsZero() || k.Expires.Before(next) {
			next = k.Expires
		}
	}
	if next.IsZero() {
		return // the timer of the last one still has to ring
	}
	if t.timer != nil {
		t.timer.Stop()
	}
	t.timer = time.AfterFunc(next.Sub(now), t.ring)
}

// ring is the timer's: a task is over.
func (t *Tasks) ring() {
	if !t.Live() {
		t.over()
	}
}

// put notes a task. One that is there is replaced, or with fresh refused.
func (t *Tasks) put(name string, life time.Duration, fresh bool) (task, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	now := time.Now().UTC()
	k, exists := t.all[name]
	switch {
	case exists && fresh:
		return k, &taskError{http.StatusConflict, "already_exists", "a task of this name exists"}
	case !exists && len(t.all) >= maxTasks:
		return k, &taskError{http.StatusTooManyRequests, "task_limit", fmt.Sprintf("a sprite has up to %d tasks", maxTasks)}
	case !exists:
		k = task{Name: name, Started: now}
	}
	k.Expires = now.Add(life)
	t.all[name] = k
	t.expire()
	return k, nil
}

func (t *Tasks) get(name string) (task, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	k, ok := t.all[name]
	if !ok {
		return k, errNoTask
	}
	return k, nil
}

func (t *Tasks) list() []task {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	out := make([]task, 0, len(t.all))
	for _, k := range t.all {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b task) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (t *Tasks) delete(name string) error {
	t.mu.Lock()
	_, ok := t.all[name]
	delete(t.all, name)
	t.expire()
	last := len(t.all) == 0
	if last && ok {
		t.timer.Stop()
	}
	t.mu.Unlock()
	if !ok {
		return errNoTask
	}
	if last {
		t.over()
	}
	return nil
}

// taskError is an answer that is an error.
type taskError struct {
	status int
	code   string
	text   string
}

func (e *taskError) Error() string { return e.text }

var errNoTask = &taskError{http.StatusNotFound, "not_found", "task not found"}

func badTask(text string) error { return &taskError{http.StatusBadRequest, "bad_request", text} }

// handler serves the tasks to the Sprite. It looks at no host name.
func (t *Tasks) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(w http.ResponseWriter, r *http.Request) error{
		"GET /v1/tasks": func(w http.ResponseWriter, _ *http.Request) error {
			return say(w, http.StatusOK, map[string]any{"tasks": t.list()})
		},
		"POST /v1/tasks": func(w http.ResponseWriter, r *http.Request) error { return t.accept(w, r, true) },
		"PUT /v1/tasks":  func(w http.ResponseWriter, r *http.Request) error { return t.accept(w, r, false) },
		"GET /v1/tasks/{name}": func(w http.ResponseWriter, r *http.Request) error {
			k, err := t.get(r.PathValue("name"))
			if err != nil {
				return err
			}
			return say(w, http.StatusOK, k)
		},
		"PUT /v1/tasks/{name}": func(w http.ResponseWriter, r *http.Request) error { return t.accept(w, r, false) },
		"DELETE /v1/tasks/{name}": func(w http.ResponseWriter, r *http.Request) error {
			if err := t.delete(r.PathValue("name")); err != nil {
				return err
			}
			w.WriteHeader(http.StatusNoContent)
			return nil
		},
		"/": func(http.ResponseWriter, *http.Request) error {
			return &taskError{http.StatusNotFound, "not_found", "this sprite's own api has /v1/tasks only"}
		},
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			err := serve(w, r)
			var e *taskError
			if errors.As(err, &e) {
				_ = say(w, e.status, map[string]string{"error": e.code, "message": e.text})
			}
		})
	}
	return mux
}

// accept reads a task, whose name is in the path or the body.
func (t *Tasks) accept(w http.ResponseWriter, r *http.Request, fresh bool) error {
	var q struct {
		Name   string          `json:"name"`
		Expire json.RawMessage `json:"expire"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxTaskBody)).Decode(&q); err != nil {
		return badTask(`the body must be a JSON object like {"name":"build","expire":"5m"}`)
	}
	if name := r.PathValue("name"); name != "" {
		q.Name = name
	}
	if q.Name == "" || len(q.Name) > maxTaskName || !utf8.ValidString(q.Name) || strings.ContainsFunc(q.Name, unicode.IsControl) {
		return badTask(fmt.Sprintf("a task's name has 1 to %d bytes without control characters", maxTaskName))
	}
	life, err := lifetime(string(q.Expire))
	if err != nil {
		return err
	}
	k, err := t.put(q.Name, life, fresh)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if fresh {
		status = http.StatusCreated
	}
	return say(w, status, k)
}

// lifetime reads "1h", "300" and 300.
func lifetime(text string) (time.Duration, error) {
	if text == "" || text == "null" {
		return taskTime, nil
	}
	text = strings.Trim(text, `"`)
	d, err := time.ParseDuration(text)
	if seconds, serr := strconv.ParseFloat(text, 64); serr == nil {
		d, err = time.Duration(min(seconds, 2*maxTaskTime.Seconds())*float64(time.Second)), nil
	}
	if err != nil || d <= 0 || d > maxTaskTime {
		return 0, badTask(`expire must be a duration like "5m", or seconds, up to 1h`)
	}
	return d, nil
}

func say(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(v)
}
