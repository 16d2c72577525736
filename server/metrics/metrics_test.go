package metrics

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/agent-on-demand/aod/store"
)

// broken is a store that can be asked for nothing but what this process has stored.
type broken struct{}

var errAway = errors.New("the disk is away")

func (broken) CountSessions(context.Context) (map[store.Status]int64, error) { return nil, errAway }
func (broken) CountSprites(context.Context) (owned, doomed int64, err error) { return 0, 0, errAway }
func (broken) Stored() (rows, bytes uint64)                                  { return 3, 300 }
func (broken) Size() (database, log int64, err error)                        { return 0, 0, errAway }

type readers struct{}

func (readers) Lag() (int, int64) { return 2, 7 }

func TestWhatCannotBeLookedUpIsLeftOut(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	m := New("test")
	m.Watch(broken{}, readers{}, func() (map[string]int, error) { return nil, errAway })
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.NewTextHandler(&said, nil))).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, line := range []string{"aod_rows_stored_total 3\n", "aod_rows_stored_bytes_total 300\n", "aod_readers 2\n", "aod_reader_lag_rows 7\n", `aod_build_info{`} {
		if !strings.Contains(w.Body.String(), line) {
			t.Errorf("there is no %q: %s", line, w.Body)
		}
	}
	for _, name := range []string{"aod_sessions", "aod_sprites", "aod_store_size_bytes"} {
		if strings.Contains(w.Body.String(), "\n"+name) {
			t.Errorf("there is a made-up %s", name)
		}
	}
	if !strings.Contains(said.String(), errAway.Error()) {
		t.Errorf("the log says %s", said.String())
	}
}

// whole is a store that can be asked.
type whole struct{ broken }

func (whole) CountSessions(context.Context) (map[store.Status]int64, error) {
	return map[store.Status]int64{store.StatusPending: 1, store.StatusFailed: 2}, nil
}
func (whole) CountSprites(context.Context) (owned, doomed int64, err error) { return 1, 2, nil }
func (whole) Size() (database, log int64, err error)                        { return 1, 2, nil }

func TestMetricsAreNamedAsIsUsual(t *testing.T) {
	t.Parallel()
	m := New("test")
	m.Watch(whole{}, readers{}, func() (map[string]int, error) { return map[string]int{"warm": 1}, nil })
	m.Request("getAgent", "GET", 200, time.Millisecond)
	m.Request("getAgent", "BREW", 999, time.Millisecond)
	m.Stream("streamSession", "GET", 200)
	m.TurnEnded("shell", "completed", time.Minute)
	m.StageEnded(store.StageCreateSprite, "shell", "done", time.Second)
	m.Committed(3, time.Millisecond)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, f := range families {
		found[f.GetName()] = len(f.Metric)
	}
	for name, n := range map[string]int{
		"aod_http_requests_total": 3, "aod_http_request_duration_seconds": 2, "aod_turn_duration_seconds": 1, "aod_stage_duration_seconds": 1,
		"aod_store_commit_callers": 1, "aod_sessions": 2, "aod_sprites": 1, "aod_sprites_owned": 1, "aod_sprites_doomed": 1, "aod_store_size_bytes": 2,
	} {
		if found[name] != n {
			t.Errorf("there are %d of %s, want %d", found[name], name, n)
		}
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) != 0 {
		t.Errorf("%v %v", problems, err)
	}
}
