package turn

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/server/hub"
	"github.com/agent-on-demand/aod/sprite"
	"github.com/agent-on-demand/aod/store"
)

// provider is a Sprites service over HTTP that can misbehave.
type provider struct {
	mu       sync.Mutex
	sprites  []string
	pages    []string // what the next requests for a list are answered instead; "500 " before an answer is its status, and it stays
	refusals int      // so many requests to destroy are answered 500
	gone     int      // and the others this
	destroys []string // the Sprites that were to be destroyed
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch name := strings.TrimPrefix(r.URL.Path, "/v1/sprites/"); {
	case r.Method == http.MethodDelete && p.refusals > 0:
		p.destroys, p.refusals = append(p.destroys, name), p.refusals-1
		w.WriteHeader(http.StatusInternalServerError)
	case r.Method == http.MethodDelete:
		p.destroys = append(p.destroys, name)
		p.sprites = slices.DeleteFunc(p.sprites, func(s string) bool { return s == name })
		w.WriteHeader(p.gone)
	case len(p.pages) > 0:
		body, status := p.pages[0], http.StatusOK
		if _, err := fmt.Sscanf(body, "%d ", &status); err == nil {
			body = body[4:]
		} else {
			p.pages = p.pages[1:]
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	default:
		p.list(w, r.URL.Query().Get("prefix"), r.URL.Query().Get("continuation_token"))
	}
}

// list answers two Sprites at a time.
func (p *provider) list(w http.ResponseWriter, prefix, after string) {
	type named struct {
		Name string `json:"name"`
	}
	page := struct {
		Sprites []named `json:"sprites"`
		More    bool    `json:"has_more"`
		Next    *string `json:"next_continuation_token"`
	}{Sprites: []named{}}
	slices.Sort(p.sprites)
	for _, name := range p.sprites {
		if name <= after || !strings.HasPrefix(name, prefix) {
			continue
		}
		if page.More = len(page.Sprites) == 2; page.More {
			page.Next = &page.Sprites[1].Name
			break
		}
		page.Sprites = append(page.Sprites, named{name})
	}
	_ = json.NewEncoder(w).Encode(page)
}

// sweeper is a Supervisor over a real store with one pending session and such a service.
func sweeper(t *testing.T, how Sweep, p *provider) (*Supervisor, *store.Session) {
	t.Helper()
	service := httptest.NewServer(p)
	t.Cleanup(service.Close)
	client := sprite.New(sprite.Config{Token: "t", BaseURL: service.URL})
	t.Cleanup(client.Close)
	st, session := ledger(t)
	s := New(Options{Store: st, Sprites: client, Readers: hub.New(st), Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Sweep: how})
	t.Cleanup(s.Close)
	return s, session
}

// mustDoom fails the test unless exactly those Sprites are to be destroyed.
func (s *Supervisor) mustDoom(t *testing.T, want ...string) {
	t.Helper()
	if got, err := s.Store.Doomed(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Errorf("doomed: %v, want %v, %v", got, want, err)
	}
}

// again sweeps once more, as sweep does.
func (s *Supervisor) again(seen *map[string]bool) error {
	found, err := s.sweepOnce(*seen)
	if found != nil {
		*seen = found
	}
	return err
}

// Of all that a service may have, the second sighting takes what bears the
// deployment's id and no session owns, and nothing else.
func TestOnlyOrphansAreSwept(t *testing.T) {
	t.Parallel()
	p := &provider{}
	s, session := sweeper(t, Sweep{}, p)
	d := s.Store.Deployment()
	orphan, other := s.spriteName("7d9f3c9e-0000-4000-8000-000000000000"), s.spriteName("7d9f3c9e-0000-4000-8000-000000000001")
	p.sprites = []string{
		orphan, s.spriteName(session.ID), "aod-" + d, "aod-" + d + "0-x", "aod-0" + d + "-x", "aod-ffffffff-" + session.ID, "aod", "aod-", "preflight-server",
		"x-" + orphan, s.spriteName(""), "daod-" + d + "-x",
	}
	var seen map[string]bool
	for range 2 {
		s.mustDoom(t)
		if err := s.again(&seen); err != nil {
			t.Fatal(err)
		}
	}
	s.mustDoom(t, orphan)
	p.sprites = append(p.sprites, other)
	for range 2 {
		s.mustDoom(t, orphan)
		if err := s.again(&seen); err != nil {
			t.Fatal(err)
		}
	}
	s.mustDoom(t, orphan, other)
	if len(p.destroys) > 0 {
		t.Errorf("destroyed %v", p.destroys)
	}
}

// A Sprite of a session belongs to it from before it is made until it is given up.
func TestSpriteBeingMadeIsNoOrphan(t *testing.T) {
	t.Parallel()
	p := &provider{}
	s, session := sweeper(t, Sweep{}, p)
	p.sprites = []string{s.spriteName(session.ID)}
	var seen map[string]bool
	sweep := func() {
		t.Helper()
		for range 3 {
			if err := s.again(&seen); err != nil {
				t.Fatal(err)
			}
		}
	}
	sweep() // pending, even if its Sprite should not be noted
	if err := s.Store.AssignSprite(t.Context(), session.ID, s.spriteName(session.ID)); err != nil {
		t.Fatal(err)
	}
	sweep()
	s.workers[session.ID] = newWorker(s, session.ID, 1)
	if err := s.Store.TerminateSession(t.Context(), session.UserID, session.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Store.Forget(t.Context(), s.spriteName(session.ID)); err != nil {
		t.Fatal(err)
	}
	sweep() // its worker has not let go
	s.mustDoom(t)
	delete(s.workers, session.ID)
	sweep()
	s.mustDoom(t, s.spriteName(session.ID))
}

// between does something when the service has been read and the store has not.
type between struct {
	Sprites
	do func()
}

func (b between) List(ctx context.Context, prefix string) ([]string, error) {
	names, err := b.Sprites.List(ctx, prefix)
	b.do()
	return names, err
}

// What a session owns by the time that the store is read is none, whatever it was when
// the service was; and what is about to be doomed is looked at once more.
func TestSweepRacesWorkers(t *testing.T) {
	t.Parallel()
	p := &provider{}
	s, session := sweeper(t, Sweep{}, p)
	name := s.spriteName(session.ID)
	p.sprites = []string{name}
	s.Sprites = between{s.Sprites, func() {
		if err := s.Store.AssignSprite(t.Context(), session.ID, name); err != nil {
			t.Error(err)
		}
	}}
	if orphans, err := s.sweepOnce(map[string]bool{name: true}); err != nil || len(orphans) > 0 {
		t.Errorf("%v %v", orphans, err)
	}
	s.mustDoom(t)
	if err := s.Store.Doom(t.Context(), name, session.ID); err != store.ErrTooLate {
		t.Error(err)
	}
}

// An unreadable list destroys nothing and is no sighting; a list that can be read and
// lacks a Sprite destroys nothing either, and the sightings begin anew.
func TestUnreadableListDestroysNothing(t *testing.T) {
	t.Parallel()
	for name, pages := range map[string][]string{
		"500":                      {`500 {"error":"internal"}`},
		"503 of a proxy":           {`503 <html>`},
		"401":                      {`401 {"error":"unauthorized"}`},
		"200 of a proxy":           {`<html>`},
		"empty body":               {``},
		"no fields":                {`{}`},
		"null":                     {`null`},
		"truncated":                {`{"sprites":[{"name":"ORPHAN"}`},
		"wrong types":              {`{"sprites":"none","has_more":false}`},
		"names that are none":      {`{"sprites":[{"name":7}],"has_more":false}`},
		"other names":              {`{"sprites":[{"name":"ORPHAN"},{"name":"somebody"}],"has_more":false}`},
		"more without a token":     {`{"sprites":[{"name":"ORPHAN"}],"has_more":true}`},
		"a token again":            {`{"sprites":[{"name":"ORPHAN"}],"has_more":true,"next_continuation_token":"x"}`, `{"sprites":[],"has_more":true,"next_continuation_token":"x"}`},
		"the first page again":     {`{"sprites":[{"name":"ORPHAN"}],"has_more":true,"next_continuation_token":"x"}`, `{"sprites":[{"name":"ORPHAN"}],"has_more":false}`},
		"a second page that fails": {`{"sprites":[{"name":"ORPHAN"}],"has_more":true,"next_continuation_token":"x"}`, `502 `},
		"a second page cut short":  {`{"sprites":[{"name":"ORPHAN"}],"has_more":true,"next_continuation_token":"x"}`, `{"sprites":[`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &provider{}
			s, session := sweeper(t, Sweep{Idle: time.Nanosecond}, p)
			if err := s.Store.AssignSprite(t.Context(), session.ID, s.spriteName(session.ID)); err != nil { // which the service lacks
				t.Fatal(err)
			}
			orphan := s.spriteName("0")
			p.sprites = []string{orphan}
			seen := map[string]bool{}
			bad := func() {
				t.Helper()
				p.pages = nil
				for _, page := range pages {
					p.pages = append(p.pages, strings.ReplaceAll(page, "ORPHAN", orphan))
				}
				if err := s.again(&seen); err == nil || len(p.pages) > 1 {
					t.Errorf("%v, %d pages left", err, len(p.pages))
				}
				p.pages = nil
				s.mustDoom(t)
			}
			good := func() {
				t.Helper()
				if err := s.again(&seen); err != nil {
					t.Error(err)
				}
			}
			bad()
			bad()
			good()
			bad()
			p.pages = []string{`{"sprites":[],"has_more":false,"next_continuation_token":null}`}
			good()
			s.mustDoom(t)
			good()
			bad()
			good()
			s.mustDoom(t, orphan)
			if row, err := s.Store.Session(t.Context(), session.UserID, session.ID); err != nil || row.Sprite != s.spriteName(session.ID) || row.Status != store.StatusPending {
				t.Errorf("%+v %v", row, err)
			}
		})
	}
}

// What the store does not say is not known.
func TestUnreadableStoreDestroysNothing(t *testing.T) {
	t.Parallel()
	p := &provider{}
	s, _ := sweeper(t, Sweep{}, p)
	orphan := s.spriteName("0")
	p.sprites = []string{orphan}
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	if orphans, err := s.sweepOnce(map[string]bool{orphan: true}); err == nil || orphans != nil {
		t.Errorf("%v %v", orphans, err)
	}
}

// A session that has been completed for too long gives its Sprite up, but not in a
// sweep that could not read the service. A Sprite that the service does not list is
// nobody's failure.
func TestIdleSpriteIsSwept(t *testing.T) {
	t.Parallel()
	p := &provider{}
	s, session := sweeper(t, Sweep{}, p)
	name := s.spriteName(session.ID)
	err := s.Store.AssignSprite(t.Context(), session.ID, name)
	if err == nil {
		_, err = s.Store.StartTurn(t.Context(), session.ID, 1, store.Row{Stage: store.StageRuntimeStart, State: store.StageStarted})
	}
	if err == nil {
		_, err = s.Store.EndTurn(t.Context(), session.ID, 1, store.Outcome{Status: store.StatusCompleted})
	}
	if err != nil {
		t.Fatal(err)
	}
	sweep := func(idle time.Duration, fails bool) {
		t.Helper()
		s.Sweep.Idle = idle
		for range 3 {
			if _, err := s.sweepOnce(nil); (err != nil) != fails {
				t.Error(err)
			}
		}
	}
	sweep(0, false)
	sweep(time.Hour, false)
	p.pages = []string{`{}`, ``, `500 `}
	sweep(time.Nanosecond, true)
	p.pages = nil
	s.mustDoom(t)
	if row, err := s.Store.Session(t.Context(), session.UserID, session.ID); err != nil || row.Sprite != name || row.Status != store.StatusCompleted {
		t.Errorf("%+v %v", row, err)
	}
	sweep(time.Nanosecond, false)
	s.mustDoom(t, name)
}

// A Supervisor sweeps by itself; what it destroys it tries until the service says that
// it is gone.
func TestSweptSpriteIsDestroyedUntilGone(t *testing.T) {
	t.Parallel()
	for _, gone := range []int{http.StatusNoContent, http.StatusNotFound} {
		t.Run(fmt.Sprint(gone), func(t *testing.T) {
			t.Parallel()
			p := &provider{refusals: 3, gone: gone}
			s, session := sweeper(t, Sweep{Every: time.Millisecond}, p)
			if err := s.Store.TerminateSession(t.Context(), session.UserID, session.ID); err != nil { // nothing to take up
				t.Fatal(err)
			}
			orphan := s.spriteName("0")
			p.sprites = []string{orphan, "aod-ffffffff-0"}
			if err := s.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			deadline := time.After(2 * time.Minute)
			for done := false; !done; {
				select {
				case <-tick.C:
				case <-deadline:
					t.Fatalf("destroyed %v", p.destroys)
				}
				names, err := s.Store.Doomed(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				p.mu.Lock()
				done = len(names) == 0 && len(p.sprites) == 1
				p.mu.Unlock()
			}
			s.Close()
			if want := []string{orphan, orphan, orphan, orphan}; !slices.Equal(p.destroys, want) {
				t.Errorf("destroyed %v, want %v", p.destroys, want)
			}
		})
	}
}
