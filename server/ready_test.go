package server

import (
	"strings"
	"testing"
)

func TestReadinessNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	able := true
	e.runnable = func() bool { return able }
	want := func(status int, failed string) {
		t.Helper()
		got := e.call("GET", "/readyz", "", "", nil)
		if got.Code != status || failed != "" && !strings.Contains(got.Body.String(), `"`+failed+`":"failed"`) || strings.Count(got.Body.String(), "failed") != min(len(failed), 1) {
			t.Errorf("got %d %s, want %d with %q", got.Code, got.Body, status, failed)
		}
	}
	want(200, "")
	able = false
	want(503, "sessions")
	able = true
	want(200, "")
	e.stop()
	want(503, "serving")
	if got := e.call("GET", "/livez", "", "", nil); got.Code != 200 {
		t.Errorf("got %d %s", got.Code, got.Body)
	}
	if got := (*Server)(nil).readiness(t.Context()); got.Status != "unavailable" || got.Checks.Serving != "failed" {
		t.Errorf("a server that is not there yet: %+v", got)
	}
}
