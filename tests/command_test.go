package tests

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-on-demand/aod/server"
)

// ordinaryUser is a user without rights and without an entry in passwd.
const ordinaryUser = 54321

// aod runs the command and returns what it printed.
func aod(t *testing.T, env []string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err = cmd.Run()
	return out.String(), words.String(), err
}

// spawn starts the server as a process of its own, as the user uid, over a new
// data directory.
func spawn(t *testing.T, uid int, env ...string) *api {
	t.Helper()
	dir := dataDir(t)
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	return spawnIn(t, dir, uid, env...)
}

// dataDir makes a folder that any user can reach, unlike those of t.TempDir.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "aod-data-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

var (
	greeting    = regexp.MustCompile(`is ready at (\S+) `)
	metricsAddr = regexp.MustCompile(`metrics at (\S+)/metrics`)
)

func spawnIn(t *testing.T, dir string, uid int, env ...string) *api {
	t.Helper()
	return spawnBinary(t, binary, dir, uid, env...)
}

// spawnBinary starts a server of that binary as a process of its own.
func spawnBinary(t *testing.T, binary, dir string, uid int, env ...string) *api {
	t.Helper()
	cmd := exec.Command(binary, "serve", "--addr", "127.0.0.1:0", "--data-dir", dir)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "AOD_BOOTSTRAP_TOKEN=aod_token_of_the_tests_000"}, env...)
	cmd.Dir = filepath.Dir(dir) // a relative data directory will do
	cmd.Args[len(cmd.Args)-1] = filepath.Base(dir)
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
	a := &api{t: t, dir: dir, via: http.DefaultClient}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	found := greeting.FindStringSubmatch(line)
	if err != nil || found == nil {
		t.Fatalf("no greeting: %v %q\n%s", err, line, log.String())
	}
	var said bytes.Buffer
	silent := make(chan struct{})
	go func() {
		defer close(silent)
		io.Copy(&said, lines)
	}()
	a.url = found[1]
	if found := metricsAddr.FindStringSubmatch(line); found != nil {
		a.admin = found[1]
	}
	a = a.as("aod_token_of_the_tests_000")
	a.signal = func(s os.Signal) error {
		if err := cmd.Process.Signal(s); err != nil {
			return err
		}
		<-silent
		return cmd.Wait()
	}
	a.log, a.said = log.String, said.String
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			a.endSessions()
			if err := a.signal(syscall.SIGTERM); err != nil {
				t.Errorf("server: %v\n%s", err, log.String())
			}
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return a
}

func TestFirstStartPrintsOneTokenOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	token := regexp.MustCompile(`aod_[A-Za-z0-9_-]{43}`)
	var printed []string
	for range 2 {
		cmd := exec.Command(binary, "serve", "--addr", "127.0.0.1:0", "--data-dir", dir)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		line, err := lines.ReadString('\n')
		if err != nil || !greeting.MatchString(line) {
			t.Fatalf("%q %v", line, err)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(lines)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("an interrupted server ends with %v", err)
		}
		printed = append(printed, string(rest))
	}
	if strings.Count(printed[0], "curl ") != 3 || !token.MatchString(printed[0]) {
		t.Errorf("the first start prints %q", printed[0])
	}
	if token.MatchString(printed[1]) {
		t.Errorf("the second start prints a token: %q", printed[1])
	}
}

func TestTokenCommands(t *testing.T) {
	t.Parallel()
	a := start(t)
	made, words, err := aod(t, nil, "token", "create", "--user", "ann", "--name", "laptop", "--data-dir", a.dir)
	if err != nil || words != "" || !regexp.MustCompile(`\Aaod_[A-Za-z0-9_-]{43}\n\z`).MatchString(made) {
		t.Fatalf("%q %q %v", made, words, err)
	}
	ann := a.as(strings.TrimSpace(made))
	ann.get("/agents").want(200)
	listed, _, err := aod(t, []string{"AOD_DATA_DIR=" + a.dir}, "token", "list")
	if err != nil || !strings.Contains(listed, made[:12]) || strings.Contains(listed, strings.TrimSpace(made)) || !strings.Contains(listed, "ann") {
		t.Errorf("%q %v", listed, err)
	}
	if _, words, err := aod(t, nil, "token", "revoke", made[:12], "--data-dir", a.dir); err != nil {
		t.Fatal(words, err)
	}
	ann.get("/agents").detail(401, "API key is inactive")
	if _, words, err := aod(t, nil, "token", "revoke", "nothing", "--data-dir", a.dir); err == nil || !strings.Contains(words, "there is no token nothing") {
		t.Errorf("%q %v", words, err)
	}
}

// A user's own quota holds at once, also in a server that is running.
func TestUserCommands(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) { c.MaxSessions = 1 })
	quota := func(args ...string) (stderr string, err error) {
		_, stderr, err = aod(t, []string{"AOD_DATA_DIR=" + a.dir}, append([]string{"user", "quota"}, args...)...)
		return stderr, err
	}
	blocking := func(want int) {
		a.t.Helper()
		a.post("/sessions", `{"agent_id":"`+a.shell()+`","prompt":"sleep 1000"}`).want(want)
	}
	blocking(202)
	blocking(429)
	if words, err := quota("admin", "2"); err != nil {
		t.Fatal(words, err)
	}
	blocking(202)
	blocking(429)
	listed, _, err := aod(t, nil, "user", "list", "--data-dir", a.dir)
	if err != nil || !regexp.MustCompile(`(?m)\ANAME +QUOTA +ACTIVE +CREATED\nadmin +2 +2 +2\d{3}-`).MatchString(listed) {
		t.Errorf("%q %v", listed, err)
	}
	if words, err := quota("admin", "default"); err != nil {
		t.Fatal(words, err)
	}
	a.post("/sessions", `{"agent_id":"`+a.shell()+`","prompt":"true"}`).want(429)
	for _, bad := range []struct{ user, count, words string }{
		{"nobody", "2", "there is no user nobody; see: aod user list"}, {"admin", "0", "at least 1"}, {"admin", "-1", "unknown shorthand flag"}, {"admin", "many", "at least 1"}, {"admin", "", "at least 1"},
	} {
		if words, err := quota(bad.user, bad.count); err == nil || !strings.Contains(words, bad.words) {
			t.Errorf("%s %q: %q %v", bad.user, bad.count, words, err)
		}
	}
	tokens, _, err := aod(t, nil, "token", "list", "--data-dir", a.dir)
	if err != nil || strings.Contains(tokens, " never\n") || !strings.Contains(tokens, "LAST USED") {
		t.Errorf("%q %v", tokens, err)
	}
}

// The commands see and end the Sprites of a server that is running.
func TestSpritesCommands(t *testing.T) {
	t.Parallel()
	a := start(t)
	sprites := func(args ...string) (stdout, stderr string, err error) {
		return aod(t, []string{"AOD_DATA_DIR=" + a.dir}, append([]string{"sprites"}, args...)...)
	}
	running, ended := a.blocked(), ""
	ended, _ = a.run("true")
	listed, words, err := sprites("list")
	if err != nil || strings.Count(listed, "\n") != 3 || !strings.HasPrefix(listed, "SESSION ") {
		t.Errorf("%q %q %v", listed, words, err)
	}
	for _, session := range []string{running, ended} {
		if !regexp.MustCompile(`(?m)^` + session + `  warm    2\d{3}-\S+  [0-9.]+ (?:B|[KM]iB) +aod-[0-9a-f]{8}-` + session + `$`).MatchString(listed) {
			t.Errorf("%s is not in %s", session, listed)
		}
	}
	if _, words, err := sprites("destroy", running, ended); err != nil {
		t.Fatal(words, err)
	}
	all := a.stream(running).rest()
	if end := all[len(all)-1]; end.Type != "error" || !strings.HasPrefix(output(all, "stderr", 1), "turn failed: ") {
		t.Errorf("ended with %+v: %s", end, output(all, "stderr", 1))
	}
	a.post("/sessions/"+ended+"/prompt", `{"prompt":"true"}`).want(202)
	if got := output(a.stream(ended).rest(), "stderr", 2); got != "turn failed: the Sprite is gone\n" {
		t.Errorf("got %q", got)
	}
	if listed, _, err := sprites("list"); err != nil || strings.Count(listed, "\n") != 1 {
		t.Errorf("%q %v", listed, err)
	}
	for _, name := range []string{running, "nothing", "preflight-server"} {
		if _, words, err := sprites("destroy", name); err == nil || !strings.Contains(words, "there is no sprite "+name) {
			t.Errorf("%s: %q %v", name, words, err)
		}
	}
}

func TestBadSettingsStopTheStart(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"AOD_ADRR=x":                         "AOD_ADRR: there is no such setting",
		"AOD_MAX_CONCURRENT_SESSIONS=0":      "AOD_MAX_CONCURRENT_SESSIONS: it is not a whole number of at least 1: 0",
		"AOD_ENCRYPTION_KEY=short":           "AOD_ENCRYPTION_KEY: encryption key 1 is not 32 bytes of base64",
		"AOD_ROW_RETENTION=500ms":            "AOD_ROW_RETENTION: it is not a time of at least a second as in 168h or 30m, or 0: 500ms",
		"AOD_ENCRYPTION_KEY_FILE=/nowhere":   "AOD_ENCRYPTION_KEY_FILE: open /nowhere",
		"AOD_LOG_LEVEL=loud":                 "AOD_LOG_LEVEL: it is not one of debug, info, warn, error: loud",
		"AOD_PUBLIC_URL=example.com":         "AOD_PUBLIC_URL: it is not of the form https://host: example.com",
		"AOD_SPRITE_ISOLATION=None":          "AOD_SPRITE_ISOLATION: it is not one of namespaces, none: None",
		"AOD_SPRITE_MEMORY=much":             "AOD_SPRITE_MEMORY: it is not a size as in 512MiB or 4GiB: much",
		"AOD_SPRITE_IDLE_TTL=soon":           "AOD_SPRITE_IDLE_TTL: it is not a time of at least a second as in 168h or 30m, or 0: soon",
		"AOD_SPRITE_IDLE_TTL=-1h":            "AOD_SPRITE_IDLE_TTL: it is not a time of at least a second as in 168h or 30m, or 0: -1h",
		"AOD_SPRITE_IDLE_TTL=1ms":            "AOD_SPRITE_IDLE_TTL: it is not a time of at least a second as in 168h or 30m, or 0: 1ms",
		"AOD_SPRITE_DISK=1M":                 "AOD_SPRITE_DISK: it is less than 32MiB: 1M",
		"AOD_SPRITE_ALLOW_HOSTS=10.0.0.0/99": `AOD_SPRITE_ALLOW_HOSTS: "10.0.0.0/99": not a network in CIDR form`,
		"AOD_SPRITES_TOKEN=short":            "AOD_SPRITES_TOKEN: it is shorter than 20 characters",
		"AOD_SPRITE_CPUS=0":                  "AOD_SPRITE_CPUS: it is not a number from 0.01 to 4096: 0",
		"AOD_ENVIRONMENT_CACHE=yes":          "AOD_ENVIRONMENT_CACHE: it is not one of on, off: yes",
		"AOD_ADDR=nonsense":                  "AOD_ADDR: address nonsense: missing port in address",
	} {
		_, words, err := aod(t, []string{setting}, "serve", "--data-dir", t.TempDir())
		if err == nil || !strings.HasPrefix(words, "aod: "+want) || strings.Count(words, "\n") != 1 {
			t.Errorf("%s: %q, %v", setting, words, err)
		}
	}
}

func TestDataDirectoryHasOneServer(t *testing.T) {
	t.Parallel()
	a := start(t)
	_, words, err := aod(t, nil, "serve", "--addr", "127.0.0.1:0", "--data-dir", a.dir)
	if err == nil || !strings.Contains(words, "another server is using") {
		t.Errorf("%q %v", words, err)
	}
}

func TestDocumentIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	a := start(t)
	printed, _, err := aod(t, nil, "openapi")
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile("../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	nobody := a.as("")
	if served := nobody.get("/openapi.yaml").want(200); served.body != printed || served.body != string(written) {
		t.Error("the documents differ")
	}
	asJSON, _, err := aod(t, nil, "openapi", "--json")
	if served := nobody.get("/openapi.json").want(200); err != nil || strings.TrimSpace(served.body) == "" || !jsonEqual(t, served.body, asJSON) {
		t.Error("the JSON documents differ", err)
	}
	if version, _, err := aod(t, nil, "version"); err != nil || !strings.HasPrefix(version, "aod ") {
		t.Errorf("%q %v", version, err)
	}
}

// Whatever the server had stored is there after a restart, a hard one too, and a
// replay has the same bytes.
func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	for _, how := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(how.String(), func(t *testing.T) {
			t.Parallel()
			dir := dataDir(t)
			a := spawnIn(t, dir, os.Getuid())
			session, _ := a.run("for i in $(seq 100); do echo line $i; done; echo kept > note")
			a.post("/environments", `{"name":"e","env_vars":{"A":"1"}}`).want(201)
			paths := []string{"/agents", "/environments", "/sessions", "/sessions/" + session + "/turns", "/sessions/" + session + "/stream"}
			var before []string
			for _, path := range paths {
				before = append(before, a.get(path).want(200).body)
			}
			if err := a.signal(how); (err == nil) != (how == syscall.SIGTERM) {
				t.Fatal(err)
			}
			b := spawnIn(t, dir, os.Getuid())
			for i, path := range paths {
				if got := b.get(path).want(200).body; got != before[i] {
					t.Errorf("%s was\n%s\nand is\n%s", path, before[i], got)
				}
			}
			b.post("/sessions/"+session+"/prompt", `{"prompt":"cat note"}`).want(202)
			if got := output(b.stream(session).rest(), "stdout", 2); got != "kept\n" {
				t.Errorf("the Sprite has lost its files: %q", got)
			}
		})
	}
}

// Provisioning that was cut begins anew, on a new Sprite.
func TestProvisioningCutByTheServersEndBeginsAnew(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	a := spawnIn(t, dir, os.Getuid())
	env := a.post("/environments", `{"name":"e","setup_script":"echo once >> made; sleep 1"}`).want(201).text("id")
	session := a.post("/sessions", `{"agent_id":"`+a.shell()+`","environment_id":"`+env+`","prompt":"cat made"}`).want(202).text("id")
	a.stream(session).until(func(ev event) bool { return ev.Stage == "provision_setup" })
	if err := a.signal(syscall.SIGKILL); err == nil {
		t.Fatal("killed without an error")
	}
	b := spawnIn(t, dir, os.Getuid())
	all := b.stream(session).rest()
	if got := output(all, "stdout", 1); got != "once\n" {
		t.Errorf("stdout %q", got)
	}
	if end := all[len(all)-1]; end.Type != "exit" || *end.Code != 0 {
		t.Errorf("ended with %+v", end)
	}
}

// What is in the data directory is for its owner.
func TestDataDirectoryIsPrivate(t *testing.T) {
	t.Parallel()
	a := spawnIn(t, filepath.Join(t.TempDir(), "made-by-aod"), os.Getuid())
	a.run("true")
	for _, name := range []string{"", "aod.db", "key", "sprites", "lock"} {
		info, err := os.Stat(filepath.Join(a.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]os.FileMode{true: 0o700, false: 0o600}[info.IsDir()]; info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", fmt.Sprintf("%q", name), info.Mode())
		}
	}
}
