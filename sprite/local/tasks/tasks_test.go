package tasks

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func askTasks(t *Tasks, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	t.handler().ServeHTTP(w, httptest.NewRequest(method, "http://any.host"+path, strings.NewReader(body)))
	return w
}

func TestTasksEndByThemselves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		over := 0
		k := New(func() { over++ })
		askTasks(k, "POST", "/v1/tasks", `{"name":"short","expire":"1m"}`)
		askTasks(k, "POST", "/v1/tasks", `{"name":"long","expire":"1h"}`)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if w := askTasks(k, "GET", "/v1/tasks/short", ""); w.Code != http.StatusNotFound || over != 0 || !k.Live() {
			t.Errorf("after a minute: %d %d", w.Code, over)
		}
		askTasks(k, "PUT", "/v1/tasks/long", `{"expire":10}`)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if over != 1 || k.Live() {
			t.Errorf("after all: %d times over", over)
		}
		askTasks(k, "PUT", "/v1/tasks", `{"name":"again"}`)
		if w := askTasks(k, "DELETE", "/v1/tasks/again", ""); w.Code != http.StatusNoContent || over != 2 {
			t.Errorf("deleted: %d, %d times over", w.Code, over)
		}
		// A look at the moment of the end does not swallow it.
		askTasks(k, "PUT", "/v1/tasks", `{"name":"looked at","expire":"1s"}`)
		time.Sleep(time.Second)
		k.Live()
		synctest.Wait()
		if over != 3 {
			t.Errorf("looked at: %d times over", over)
		}
	})
}

func TestTasksAreBounded(t *testing.T) {
	t.Parallel()
	k := New(func() {})
	for i := range maxTasks {
		if w := askTasks(k, "POST", "/v1/tasks", `{"name":"`+strconv.Itoa(i)+`"}`); w.Code != http.StatusCreated {
			t.Fatalf("task %d: %d", i, w.Code)
		}
	}
	for body, want := range map[string]int{
		`{"name":"one more"}`:                            http.StatusTooManyRequests,
		`{"name":"0","expire":1}`:                        http.StatusConflict,
		`{"name":"` + strings.Repeat("x", 129) + `"}`:    http.StatusBadRequest,
		`{"name":"a\u0000"}`:                             http.StatusBadRequest,
		`{"name":"` + strings.Repeat("x", 70<<10) + `"}`: http.StatusBadRequest,
		`{"name":"0","expire":"NaN"}`:                    http.StatusBadRequest,
		`{"name":"0","expire":1e300}`:                    http.StatusBadRequest,
		`{"name":"0","expire":"1h1s"}`:                   http.StatusBadRequest,
		`{"name":7}`:                                     http.StatusBadRequest,
	} {
		if w := askTasks(k, "POST", "/v1/tasks", body); w.Code != want || !strings.Contains(w.Body.String(), `"error"`) {
			t.Errorf("%.40s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := askTasks(k, "PATCH", "/v1/tasks/a/b", ""); w.Code != http.StatusNotFound {
		t.Errorf("other path: %d", w.Code)
	}
}
