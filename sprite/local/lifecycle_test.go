package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/sprite/local"
	"github.com/superfly/sprites-go"
)

func TestSpritesAreCreatedListedAndDestroyed(t *testing.T) {
	t.Parallel()
	m := open(t)
	for _, body := range []string{`{"name":"b","labels":["x","y"]}`, `{"name":"a-1"}`, `{"name":"a-2"}`} {
		if status, text := m.request(t, "POST", "/v1/sprites", body, token); status != 201 {
			t.Fatalf("create %s: %d %s", body, status, text)
		}
	}
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/v1/sprites", `{"name":"b"}`, 409},
		{"POST", "/v1/sprites", `{"name":"No"}`, 400},
		{"POST", "/v1/sprites", `{"name":"../b"}`, 400},
		{"POST", "/v1/sprites", `[]`, 400},
		{"GET", "/v1/sprites/none", "", 404},
		{"DELETE", "/v1/sprites/none", "", 404},
		{"GET", "/v1/sprites/none/exec", "", 404},
		{"HEAD", "/v1/sprites/b/exec", "", 200},
		{"PUT", "/v1/sprites/b", `{"labels":["z"]}`, 200},
		{"POST", "/v1/sprites/b/policy/network", `{"rules":[]}`, 204},
		{"POST", "/v1/sprites/b/policy/network", `{"rules":[{"domain":"x.test","action":"allow"}]}`, 204},
	} {
		if status, text := m.request(t, c.method, c.path, c.body, token); status != c.status {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, status, text)
		}
	}
	if status, _ := m.request(t, "GET", "/v1/sprites", "", "wrong"); status != http.StatusUnauthorized {
		t.Errorf("wrong token: %d", status)
	}
	page, err := m.client.ListSprites(t.Context(), &sprites.ListOptions{Prefix: "a-", MaxResults: 1})
	if err != nil || len(page.Sprites) != 1 || page.Sprites[0].Name != "a-1" || !page.HasMore {
		t.Errorf("first page: %+v %v", page, err)
	}
	all, err := m.client.ListAllSprites(t.Context(), "a-")
	if err != nil || len(all) != 2 {
		t.Errorf("all: %v %v", all, err)
	}
	if _, text := m.request(t, "GET", "/v1/sprites/b", "", token); !strings.Contains(text, `"labels":["z"]`) {
		t.Errorf("labels: %s", text)
	}
}

func TestDestroyEndsProcessesAndRemovesFiles(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "gone")
	m.sh(t, "gone", "mkdir -p /home/sprite/a/b && touch /home/sprite/a/b/c && chmod 0 /home/sprite/a/b && chmod 0555 /home/sprite/a; touch /usr/local/x; setsid sleep 4714 >/dev/null 2>&1 &")
	init := initPid(t, m, "gone")
	if err := m.client.DeleteSprite(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/" + strconv.Itoa(init)); !errors.Is(err, os.ErrNotExist) {
		if state, rerr := os.ReadFile("/proc/" + strconv.Itoa(init) + "/stat"); rerr == nil && !strings.Contains(string(state), ") Z ") {
			t.Errorf("init %d lives: %s", init, state)
		}
	}
	for _, d := range []string{"gone", ".trash/*"} {
		if left, err := filepath.Glob(filepath.Join(m.opts.Dir, d)); err != nil || len(left) > 0 {
			t.Errorf("left: %v %v", left, err)
		}
	}
	if err := m.client.DeleteSprite(t.Context(), "gone"); apiError(err) == nil || apiError(err).StatusCode != 404 {
		t.Errorf("second delete: %v", err)
	}
	m.create(t, "gone")
	if out := m.sh(t, "gone", "ls -A /home/sprite"); out != "" {
		t.Errorf("a new sprite has old files: %s", out)
	}
}

func initPid(t *testing.T, m *machine, sprite string) int {
	t.Helper()
	_, init := pids(t, m, sprite)
	return init
}

// pids reads the processes of a Sprite's shim and init.
func pids(t *testing.T, m *machine, sprite string) (shim, init int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(m.opts.Dir, sprite, "shim.json"))
	if err != nil {
		t.Fatal(err)
	}
	var state struct{ Shim, Init struct{ Pid int } }
	if err := json.Unmarshal(b, &state); err != nil {
		t.Fatal(err)
	}
	return state.Shim.Pid, state.Init.Pid
}

func TestSpritesOutliveTheHost(t *testing.T) {
	t.Parallel()
	opts := options(t)
	old, err := local.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	first := &machine{Host: old, opts: opts, reach: old.DialContext}
	if status, text := first.request(t, "POST", "/v1/sprites", `{"name":"stay"}`, token); status != 201 {
		t.Fatalf("%d %s", status, text)
	}
	first.sh(t, "stay", "echo kept > /workspace/f; setsid sleep 4715 >/dev/null 2>&1 &")
	init := initPid(t, first, "stay")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := old.Close(ctx); err != nil {
		t.Fatal(err)
	}
	second := openWith(t, opts)
	if got := second.sh(t, "stay", "cat /workspace/f"); got != "kept\n" {
		t.Errorf("file: %q", got)
	}
	if n := count(second.sh(t, "stay", processes), "sleep 4715"); n != 1 {
		t.Errorf("%d sleepers", n)
	}
	if now := initPid(t, second, "stay"); now != init {
		t.Errorf("init %d became %d", init, now)
	}
}

func TestIdleSpriteGoesColdAndComesBack(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.Idle = time.Millisecond
	m := openWith(t, opts)
	m.create(t, "cold")
	for i := range 20 { // an exec may meet a shim that is just leaving
		want := strconv.Itoa(i) + "\n"
		if got := m.sh(t, "cold", "echo "+strconv.Itoa(i)+" > /workspace/n; cat /workspace/n"); got != want {
			t.Fatalf("%q instead of %q", got, want)
		}
	}
	// Work keeps it warm: a daemon is work.
	m.sh(t, "cold", "setsid sleep 4716 >/dev/null 2>&1 &")
	if n := count(m.sh(t, "cold", processes), "sleep 4716"); n != 1 {
		t.Errorf("%d sleepers", n)
	}
}

// What a Sprite plants in its own tree is never followed on the host.
func TestPlantedLinksLeaveTheHostAlone(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.Idle = time.Millisecond
	m := openWith(t, opts)
	victim, err := os.MkdirTemp("/var/tmp", "aod-victim-") // a link to /tmp leads nowhere while a Sprite is built
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(victim); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(victim, "hosts"), []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{victim: 0o777, filepath.Join(victim, "hosts"): 0o666} { // whatever the umask
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(victim)
	if err != nil {
		t.Fatal(err)
	}
	m.create(t, "evil")
	m.sh(t, "evil", "for d in etc home srv opt root workspace tmp var/tmp var/log var/lib bin sbin; do mv /$d /$d.old || rm -rf /$d; ln -s "+victim+" /$d; done; "+
		"cd /etc; ln -s "+victim+" apt; ln -s "+victim+" profile.d; for f in hosts hostname resolv.conf; do ln -s "+victim+"/hosts $f; done; true")
	waitCold(t, m, "evil")
	// Home is a fresh folder now, so a shell starts again.
	m.sh(t, "evil", "true")
	entries, err := os.ReadDir(victim)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(victim, "hosts"))
	if err != nil || string(b) != "mine" || len(entries) != 1 {
		t.Fatalf("the victim has changed: %q %v %v", b, entries, err)
	}
	if after, err := os.Stat(victim); err != nil || after.Mode() != before.Mode() || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the victim has changed: %+v %v", after, err)
	}
}

// waitCold returns when the shim has ended.
func waitCold(t *testing.T, m *machine, sprite string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		if _, text := m.request(t, "GET", "/v1/sprites/"+sprite, "", token); strings.Contains(text, `"status":"cold"`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the sprite stays warm")
		}
	}
}
