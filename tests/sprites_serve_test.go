package tests

import (
	"bufio"
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/superfly/sprites-go"
)

var spritesGreeting = regexp.MustCompile(`are served at (\S+)\n`)

// spawnSprites starts aod sprites serve over a data directory, and returns its URL, the first lines it says, and what ends it.
func spawnSprites(t *testing.T, dir string, uid int, env ...string) (url, said string, stop func() error) {
	t.Helper()
	cmd := exec.Command(binary, "sprites", "serve", "--addr", "127.0.0.1:0", "--data-dir", dir)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	if uid != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for !strings.Contains(said, "Python:") {
		line, err := r.ReadString('\n')
		if said += line; err != nil {
			t.Fatalf("no greeting: %v %q\n%s", err, said, log.String())
		}
	}
	go io.Copy(io.Discard, out)
	ended := false
	stop = func() error {
		if ended {
			return nil
		}
		ended = true
		_ = cmd.Process.Signal(syscall.SIGTERM)
		return cmd.Wait()
	}
	t.Cleanup(func() { _ = stop() })
	return spritesGreeting.FindStringSubmatch(said)[1], said, stop
}

func TestAnySpritesClientCanUseTheHost(t *testing.T) {
	t.Parallel()
	for name, uid := range map[string]int{"as root": 0, "as an ordinary user": ordinaryUser} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := dataDir(t)
			if err := os.Chown(dir, uid, uid); err != nil {
				t.Fatal(err)
			}
			url, said, stop := spawnSprites(t, dir, uid)
			found := regexp.MustCompile(`shown only now: (\S+)\n`).FindStringSubmatch(said)
			if found == nil {
				t.Fatalf("no token: %s", said)
			}
			client := sprites.New(found[1], sprites.WithBaseURL(url), sprites.WithDisableControl(), sprites.WithHTTPClient(&http.Client{Timeout: patience}))
			if _, err := client.CreateSprite(t.Context(), "guest", nil); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _, _, _ = aod(t, []string{"AOD_DATA_DIR=" + dir}, "sprites", "destroy", "guest") })
			guest := client.Sprite("guest")
			files := guest.Filesystem()
			if err := files.WriteFile("/workspace/f", []byte("kept"), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := spriteOutput(t, guest, "cat", "/workspace/f"); got != "kept" {
				t.Errorf("exec: %q", got)
			}
			s, err := guest.CreateCheckpointWithComment(t.Context(), "one")
			if err != nil {
				t.Fatal(err)
			}
			if err := s.ProcessAll(func(*sprites.StreamMessage) error { return nil }); err != nil {
				t.Error(err)
			}
			list, err := guest.ListCheckpoints(t.Context(), "")
			if err != nil || len(list) != 1 {
				t.Errorf("checkpoints: %v %v", list, err)
			}
			if err := stop(); err != nil {
				t.Errorf("end: %v", err)
			}

			// Sprites outlive it. The operator's own token opens the next one.
			const token = "a-token-of-twenty-characters"
			url, said, stop = spawnSprites(t, dir, uid, "AOD_SPRITES_TOKEN="+token)
			if strings.Contains(said, token) {
				t.Errorf("the operator's token was printed: %s", said)
			}
			client = sprites.New(token, sprites.WithBaseURL(url), sprites.WithDisableControl())
			if b, err := fs.ReadFile(client.Sprite("guest").Filesystem(), "/workspace/f"); err != nil || string(b) != "kept" {
				t.Errorf("after a restart: %q %v", b, err)
			}
			if _, err := sprites.New("wrong", sprites.WithBaseURL(url), sprites.WithDisableControl()).ListSprites(t.Context(), nil); err == nil {
				t.Error("a wrong token was accepted")
			}
			if err := client.DeleteSprite(t.Context(), "guest"); err != nil {
				t.Error(err)
			}
			if err := stop(); err != nil {
				t.Errorf("end: %v", err)
			}
		})
	}
}

// spriteOutput runs a command in a Sprite.
func spriteOutput(t *testing.T, s *sprites.Sprite, argv ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := s.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.TextMessageHandler = func([]byte) {}
	if err := cmd.Run(); err != nil {
		t.Errorf("exec %v: %v %s", argv, err, errs.String())
	}
	return out.String()
}

func TestHostIsNotOpenedToOthersByAccident(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "example.com:1"} {
		if _, words, err := aod(t, nil, "sprites", "serve", "--addr", addr); err == nil || !strings.Contains(words, "AOD_SPRITES_TOKEN") {
			t.Errorf("%s: %v %s", addr, err, words)
		}
	}
	if _, words, err := aod(t, []string{"AOD_SPRITES_TOKEN=short"}, "sprites", "serve"); err == nil || !strings.Contains(words, "20 characters") {
		t.Errorf("short token: %v %s", err, words)
	}
}
