package turn_test

import (
	"context"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/server/hub"
	"github.com/agent-on-demand/aod/sprite"
	"github.com/agent-on-demand/aod/sprite/local"
	"github.com/agent-on-demand/aod/sprite/turn"
	"github.com/agent-on-demand/aod/store"
)

// bench is a supervisor over a real store and the real local host.
type bench struct {
	*turn.Supervisor
	t     *testing.T
	store *store.Store
	hub   *hub.Hub
	user  string
	dir   string
}

func open(t *testing.T, dir string) *bench {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	keys, err := store.ParseKeys(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "aod.db"), Keys: keys, MaxSessions: 100})
	if err != nil {
		t.Fatal(err)
	}
	sprites := filepath.Join(dir, "sprites")
	if err := os.MkdirAll(sprites, 0o700); err != nil {
		t.Fatal(err)
	}
	host, err := local.Open(t.Context(), local.Options{Dir: sprites, Token: "t", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	client := sprite.New(sprite.Config{Token: "t", Dial: host.DialContext})
	readers := hub.New(st)
	b := &bench{t: t, store: st, hub: readers, dir: dir}
	b.Supervisor = turn.New(turn.Options{Store: st, Sprites: client, Readers: readers, Log: log})
	user, err := st.EnsureUser(t.Context(), "u")
	if err != nil {
		t.Fatal(err)
	}
	b.user = user.ID
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Close()
		client.Close()
		host.Close(context.Background())
		st.Close()
	})
	return b
}

func (b *bench) create(prompt string, timeout int) *store.Session {
	b.t.Helper()
	agent, err := b.store.CreateAgent(b.t.Context(), b.user, store.AgentSpec{Name: "a", Model: "local/bash", Runtime: "shell"})
	if err != nil {
		b.t.Fatal(err)
	}
	session, err := b.Create(b.t.Context(), b.user, store.SessionSpec{AgentID: agent.ID, Prompt: prompt, Timeout: timeout, Resources: []store.Resource{}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { b.end(session.ID) })
	return session
}

// end terminates the session and waits until its Sprite is gone.
func (b *bench) end(session string) {
	_ = b.Terminate(context.Background(), b.user, session)
	for {
		if doomed, err := b.store.Doomed(context.Background()); err != nil || len(doomed) == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// read returns the log of the session when its status is final.
func (b *bench) read(session string) (log string, status store.Status) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	r := b.hub.Read(session, 0)
	defer r.Close()
	var text strings.Builder
	for {
		frames, err := r.Next(ctx)
		if err != nil {
			b.t.Fatal(err, text.String())
		}
		for _, f := range frames {
			text.Write(f.Data)
		}
		if len(frames) > 0 {
			continue
		}
		if status.Final() && status != "" {
			return text.String(), status
		}
		if r.StatusChanged() {
			if status, _, err = b.store.SessionEnd(ctx, session); err != nil {
				b.t.Fatal(err)
			}
			if status.Final() {
				continue
			}
		}
		select {
		case <-r.Wait():
		case <-ctx.Done():
			b.t.Fatalf("no end; so far:\n%s", text.String())
		}
	}
}

func TestTurnRunsInSprite(t *testing.T) {
	b := open(t, t.TempDir())
	session := b.create("echo hello; echo oops >&2; id -u; pwd; exit 3", 60)
	log, status := b.read(session.ID)
	t.Log(log)
	if status != store.StatusFailed || !strings.Contains(log, `"hello\n`) {
		t.Fatal(status)
	}
}
