package local_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/sprite/local"
	"github.com/superfly/sprites-go"
)

// stream is what both streams of the SDK are.
type stream interface {
	ProcessAll(func(*sprites.StreamMessage) error) error
	Close() error
}

// last returns the last line of a stream.
func last(t *testing.T, s stream, err error) *sprites.StreamMessage {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	end := &sprites.StreamMessage{}
	if err := s.ProcessAll(func(m *sprites.StreamMessage) error { end = m; return nil }); err != nil {
		t.Fatal(err)
	}
	return end
}

func (m *machine) checkpoint(t *testing.T, sprite, comment string) {
	t.Helper()
	s, err := m.client.CreateCheckpointWithComment(t.Context(), sprite, comment)
	if end := last(t, s, err); end.Type != "complete" {
		t.Fatalf("create checkpoint: %+v", end)
	}
}

func (m *machine) restore(t *testing.T, sprite, id string) {
	t.Helper()
	s, err := m.client.RestoreCheckpoint(t.Context(), sprite, id)
	if end := last(t, s, err); end.Type != "complete" {
		t.Fatalf("restore checkpoint: %+v", end)
	}
}

// furnish puts one of everything into a Sprite, and inventory describes it all.
const (
	furnish = `cd /workspace && mkdir -p deep/er && echo one > deep/er/f && chmod 0640 deep/er/f && ln deep/er/f hard && ln -s deep/er/f soft && ln -s /nowhere dangling
mkfifo pipe; truncate -s 100M sparse; printf x | dd of=sparse bs=1 seek=50000000 conv=notrunc 2>/dev/null; touch -d 2001-02-03T04:05:06Z deep/er/f
mkdir shut && echo secret > shut/in && chmod 0 shut/in shut; mkdir half && touch half/f && chmod 0600 half
python3 -c 'import os; os.setxattr("/workspace/deep", "user.note", b"kept")'
echo tool > /usr/local/bin/tool; rm /usr/share/doc/bash/copyright; rm -rf /usr/share/doc/dash /usr/share/doc/grep; mkdir /usr/share/doc/grep; echo mine > /etc/mine`
	inventory = `cd /workspace && find . -printf '%p %y %m %U %G %s %n %l %T@\n' | grep -v '^\. ' | sort; test hard -ef deep/er/f && cat hard; test $(du -k sparse | cut -f1) -lt 1000 && echo sparse
python3 -c 'import os; print(os.getxattr("/workspace/deep", "user.note"))'
cat /usr/local/bin/tool /etc/mine; ls -d /usr/share/doc/bash/copyright /usr/share/doc/dash 2>&1; ls -A /usr/share/doc/grep`
)

// checkpointed goes through the life of checkpoints.
func checkpointed(t *testing.T, m *machine, name string) {
	t.Helper()
	m.sh(t, name, furnish)
	before := m.sh(t, name, inventory)
	m.checkpoint(t, name, "first")
	if now := m.sh(t, name, inventory); now != before {
		t.Errorf("the checkpoint has changed the sprite:\n%s\n%s", before, now)
	}
	m.sh(t, name, "chmod 700 /workspace/shut; rm -rf /workspace/* /usr/local/bin/tool; echo other > /etc/mine; setsid sleep 4720 >/dev/null 2>&1 &")
	m.checkpoint(t, name, "")
	m.restore(t, name, "v0")
	if now := m.sh(t, name, inventory); now != before {
		t.Errorf("restored:\n%s\ninstead of:\n%s", now, before)
	}
	if n := count(m.sh(t, name, processes), "sleep 4720"); n != 0 {
		t.Error("a process has outlived the restore")
	}
	m.restore(t, name, "v1")
	if got := m.sh(t, name, "cat /etc/mine; ls -A /workspace"); got != "other\n" {
		t.Errorf("second checkpoint: %q", got)
	}
	list, err := m.client.ListCheckpoints(t.Context(), name, "")
	if err != nil || len(list) != 2 || list[0].ID != "v1" || list[1].ID != "v0" || list[1].Comment != "first" || time.Since(list[1].CreateTime) > time.Hour {
		t.Errorf("list: %+v %v", list, err)
	}
	if c, err := m.client.GetCheckpoint(t.Context(), name, "v0"); err != nil || c.Comment != "first" {
		t.Errorf("get: %+v %v", c, err)
	}
	if left, err := filepath.Glob(filepath.Join(m.opts.Dir, name, "[cr]*/.draft-*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

func TestCheckpointsBringFilesBack(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "points")
	m.sh(t, "points", "chown 7:8 /workspace; mkdir /workspace/owned && touch /workspace/owned/f && chown -R 11:12 /workspace/owned")
	checkpointed(t, m, "points")
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "checkpoints/v9/restore", "", 404},
		{"POST", "checkpoints/..%2fx/restore", "", 404},
		{"GET", "checkpoints/v9", "", 404},
		{"GET", "checkpoints?history=x&includeAuto=true", "", 200},
		{"DELETE", "checkpoints/v1", "", 204},
		{"DELETE", "checkpoints/v1", "", 404},
		{"POST", "checkpoint", `{"comment":"` + strings.Repeat("x", 5000) + `"}`, 400},
		{"POST", "checkpoint", "", 200},
		{"GET", "checkpoints/v2", "", 200}, // v1 is not given twice
		{"PUT", "checkpoint", "", 405},
	} {
		if status, text := m.request(t, c.method, "/v1/sprites/points/"+c.path, c.body, token); status != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, text)
		}
	}
	for i := range 18 {
		if status, text := m.request(t, "POST", "/v1/sprites/points/checkpoint", "", token); status != 200 {
			t.Fatalf("checkpoint %d: %d %s", i, status, text)
		}
	}
	if status, text := m.request(t, "POST", "/v1/sprites/points/checkpoint", "", token); status != 409 || !strings.Contains(text, "checkpoints/v0") {
		t.Errorf("one too many: %d %s", status, text)
	}
}

// TestRestoreIsFinishedAfterACrash plants what a crash leaves, at each of its points. Either the next host finishes it or, where another
// process than the host has died, the next shim.
func TestRestoreIsFinishedAfterACrash(t *testing.T) {
	t.Parallel()
	for cut := range 6 {
		t.Run("host "+strconv.Itoa(cut), func(t *testing.T) {
			t.Parallel()
			opts := options(t)
			h, err := local.Open(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			crash(t, &machine{Host: h, opts: opts, reach: h.DialContext}, cut)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := h.Close(ctx); err != nil {
				t.Fatal(err)
			}
			m := openWith(t, opts)
			for _, pattern := range []string{"restoring", "replaced.*", "checkpoints/.draft-*"} {
				if left, err := filepath.Glob(filepath.Join(opts.Dir, "crash", pattern)); err != nil || len(left) > 0 {
					t.Errorf("left: %v %v", left, err)
				}
			}
			if got := m.sh(t, "crash", "cat /workspace/f /etc/f"); got != "old\nold\n" {
				t.Errorf("after the crash: %q", got)
			}
		})
		t.Run("shim "+strconv.Itoa(cut), func(t *testing.T) {
			t.Parallel()
			m := open(t)
			crash(t, m, cut)
			if got := m.sh(t, "crash", "cat /workspace/f /etc/f"); got != "old\nold\n" {
				t.Errorf("after the crash: %q", got)
			}
		})
	}
}

// crash makes a Sprite of which a restore was cut short.
func crash(t *testing.T, m *machine, cut int) {
	t.Helper()
	if status, text := m.request(t, "POST", "/v1/sprites", `{"name":"crash"}`, token); status != 201 {
		t.Fatalf("%d %s", status, text)
	}
	m.sh(t, "crash", "echo old > /workspace/f; echo old > /etc/f")
	if status, text := m.request(t, "POST", "/v1/sprites/crash/checkpoint", "", token); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	m.sh(t, "crash", "echo new > /workspace/f; echo new > /etc/f")
	killShim(t, m, "crash")
	dir := filepath.Join(m.opts.Dir, "crash")
	steps := [][2]string{
		{"checkpoints/v0", "restoring"}, {"root", "restoring/old-root"}, {"restoring/root", "root"},
		{"ov", "restoring/old-ov"}, {"restoring/ov", "ov"}, {"restoring", "replaced.x"},
	}
	for _, s := range steps[:cut+1] {
		if err := os.Rename(filepath.Join(dir, s[0]), filepath.Join(dir, s[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "checkpoints/.draft-x/root"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// killShim ends a Sprite as a crash of the machine would.
func killShim(t *testing.T, m *machine, sprite string) {
	t.Helper()
	init, err := os.FindProcess(initPid(t, m, sprite))
	if err != nil {
		t.Fatal(err)
	}
	if err := init.Kill(); err != nil {
		t.Fatal(err)
	}
	waitCold(t, m, sprite)
}

// A client that asks for a checkpoint and reads nothing keeps it from going on, but keeps nobody else from anything.
func TestDestroyDoesNotWaitForACheckpoint(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "held")
	first := m.hold(t, "held")
	if status, text := m.request(t, "POST", "/v1/sprites/held/checkpoint", "", token); status != 409 {
		t.Errorf("two at once: %d %s", status, text)
	}
	if err := first.Close(); err != nil { // the client leaves
		t.Fatal(err)
	}
	m.released(t, "held")
	if left, err := filepath.Glob(filepath.Join(m.opts.Dir, "held", "checkpoints", "[.v]*[0-9A-Z]")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
	defer m.hold(t, "held").Close()
	if err := m.client.DeleteSprite(t.Context(), "held"); err != nil {
		t.Error(err)
	}
}

// hold begins a checkpoint whose answer is not read, and returns when it is on its way.
func (m *machine) hold(t *testing.T, sprite string) net.Conn {
	t.Helper()
	numbered := func() string {
		b, err := os.ReadFile(filepath.Join(m.opts.Dir, sprite, "checkpoints", ".next"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return string(b)
	}
	before := numbered()
	c, err := m.DialContext(t.Context(), "tcp", "localhost:80")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "POST /v1/sprites/"+sprite+"/checkpoint HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\nContent-Length: 0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for now := numbered(); now == "" || now == before; now = numbered() {
		if time.Now().After(deadline) {
			t.Fatal("the checkpoint does not begin")
		}
	}
	return c
}

// released waits until no checkpoint is being made: then the deletion of one that there is not is answered so.
func (m *machine) released(t *testing.T, sprite string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		status, text := m.request(t, "DELETE", "/v1/sprites/"+sprite+"/checkpoints/v99", "", token)
		if status == 404 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d: %s", status, text)
		}
	}
}
