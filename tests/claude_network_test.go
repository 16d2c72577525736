package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/tests/model"
)

// The real Claude Code CLI under a limited network, in a server that is a process of its own: the model answers by the name that is on the
// environment's list. Without it the turn ends soon, as failed, and says why, in the CLI's words and in the Sprite's.
func TestClaudeCodeObeysTheNetwork(t *testing.T) {
	t.Parallel()
	installClaude(t)
	t.Run(fmt.Sprint("uid ", os.Getuid()), func(t *testing.T) { claudeObeys(t, os.Getuid(), runtimesDir(t)) })
	if os.Getuid() == 0 {
		t.Run(fmt.Sprint("uid ", ordinaryUser), func(t *testing.T) { claudeObeys(t, ordinaryUser, runtimesOf(t, ordinaryUser)) })
	}
}

// installClaude has a server of this process bring in the CLI, if no test has done so: those that are processes of their own have not the
// environment in which npm may need to run.
func installClaude(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(runtimesDir(t), "bin", "claude")); err == nil {
		return
	}
	a := start(t)
	agent := a.post("/agents", `{"name":"claude","model":"anthropic/claude-sonnet-4-6","runtime":"claude"}`).want(201).text("id")
	a.stream(a.in(agent, "hello", `,"timeout":10`).want(202).text("id")).until(func(e event) bool { return e.Stage == "install_runtime" && e.State != "started" })
}

// runtimesOf copies the runtimes' programs for another user, who would take long to install them.
func runtimesOf(t *testing.T, uid int) string {
	t.Helper()
	dir := filepath.Join(dataDir(t), "runtimes")
	if err := os.CopyFS(dir, os.DirFS(runtimesDir(t))); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, ".lock")); err != nil { // it is locked by its owner only
		t.Fatal(err)
	}
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chown(d, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func claudeObeys(t *testing.T, uid int, runtimes string) {
	models := model.Start(t)
	host := "model.test" + models.URL()[strings.LastIndex(models.URL(), ":"):]
	a := spawn(t, uid, "ANTHROPIC_API_KEY=sk-ant-key-of-the-test", "AOD_RUNTIMES_DIR="+runtimes, "AOD_SPRITE_ALLOW_HOSTS="+host+"=127.0.0.1")
	agent := a.post("/agents", `{"name":"claude","model":"anthropic/claude-sonnet-4-6","runtime":"claude"}`).want(201).text("id")
	turn := func(allowed string) (all []event, took time.Duration) {
		env := a.environment(allowed, `,"networking":{"type":"limited","allowed_hosts":[`+quoted(allowed)+`]},"env_vars":{"ANTHROPIC_BASE_URL":`+quoted("http://"+host)+`}`)
		events := a.stream(a.in(agent, "hello", `,"timeout":120,"environment_id":"`+env+`"`).want(202).text("id"))
		all = events.until(func(e event) bool { return e.Type == "output" || e.Type == "exit" })
		begun := time.Now()
		return append(all, events.rest()...), time.Since(begun)
	}
	all, _ := turn(host)
	if end := all[len(all)-1]; end.Type != "exit" || *end.Code != 0 {
		t.Fatalf("allowed: ended with %+v: %s%s", end, output(all, "stdout", 1), output(all, "stderr", 1))
	}
	if result := lastLine(t, output(all, "stdout", 1)); result["is_error"] != false || !strings.HasPrefix(fmt.Sprint(result["result"]), "Hello from the stub model.") {
		t.Errorf("allowed: %v", result)
	}
	heard := len(models.Requests())

	all, took := turn("other.test")
	if end := all[len(all)-1]; end.Type != "exit" || *end.Code == 0 {
		t.Fatalf("denied: ended with %+v: %s%s", end, output(all, "stdout", 1), output(all, "stderr", 1))
	}
	refusal := host + " is not on this sprite's network allow-list\n"
	result := lastLine(t, output(all, "stdout", 1))
	if result["is_error"] != true || result["api_error_status"] != 403.0 || !strings.HasSuffix(fmt.Sprint(result["result"]), refusal) {
		t.Errorf("denied: %v", result)
	}
	if text := output(all, "stderr", 1); !strings.Contains(text, "aod: "+refusal) {
		t.Errorf("denied: stderr %q", text)
	}
	if n := len(models.Requests()); n != heard {
		t.Errorf("denied: the model heard %d requests", n-heard)
	}
	// The CLI takes a 403 for a bad key, which it does not try again.
	if took > 20*time.Second {
		t.Errorf("denied: the turn took %v", took)
	}
	t.Logf("from its first output to the end the denied turn took %v", took)
}
