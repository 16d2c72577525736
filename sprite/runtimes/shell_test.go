package runtimes

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runShell does a turn of the runtime shell here, with the script the way the
// Sprite hands it over: in a file that has no name any more.
func runShell(t *testing.T, script string, env ...string) (stdout, stderr string, code int) {
	t.Helper()
	dir := t.TempDir()
	r, _ := ByName("shell")
	command := r.Command(Turn{Number: 1, Prompt: script})
	prompt := filepath.Join(dir, "prompt")
	if err := os.WriteFile(prompt, command.Stdin, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(prompt)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := os.Remove(prompt); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	c := exec.CommandContext(t.Context(), command.Argv[0], command.Argv[1:]...)
	c.Dir, c.Env = dir, append([]string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}, env...)
	c.Stdin, c.Stdout, c.Stderr = file, &out, &errs
	err = c.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

func TestShellRunsTheScriptAsOneWouldExpect(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x="+strings.Repeat("a", 90)+"\n", 3300)
	for _, c := range []struct {
		name, script, stdout, stderr string
		code                         int
	}{
		{"children find standard input empty", "cat; read x; echo after $?", "after 1\n", "", 0},
		{"the exit code is the script's", "exit 3\necho no", "", "", 3},
		{"the exit code is the last command's", "true\nfalse", "", "", 1},
		{"a command in its place ends it", "exec sh -c 'cat; exit 9'", "", "", 9},
		{"errors name the line", "echo a\nnosuch\necho b", "a\nb\n", "line 2: nosuch: command not found", 0},
		{"a syntax error is told", "echo a\nif\n", "a\n", "syntax error", 2},
		{"set -e ends it", "set -e\nfalse\necho no", "", "", 1},
		{"traps run", "trap 'echo bye' EXIT\nexit 4", "bye\n", "", 4},
		{"it is a login shell by the name bash", "shopt -q login_shell && echo $0 $#", "bash 0\n", "", 0},
		{"there is no script to be relative to", `[ "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)" = "$PWD" ] && echo here`, "here\n", "", 0},
		{"descriptor 3 is free", "(echo x >&3) 2>/dev/null || echo free", "free\n", "", 0},
		{"here documents", "cat <<X\n$((1+1))\nX\n", "2\n", "", 0},
		{"300 KB in many lines", long + "echo ${#x}; cat; exit 7", "90\n", "", 7},
		{"300 KB in one line", "x='" + strings.Repeat("b", 300<<10) + "'; echo ${#x}", "307200\n", "", 0},
		{"nothing", "", "", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := runShell(t, c.script)
			if stdout != c.stdout || code != c.code || !strings.Contains(stderr, c.stderr) || (c.stderr == "") != (stderr == "") {
				t.Errorf("stdout %.200q, stderr %.200q, code %d\nwant %q, %q, %d", stdout, stderr, code, c.stdout, c.stderr, c.code)
			}
		})
	}
}

func TestShellKeepsTheTurnsOwnPath(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(bash, filepath.Join(dir, "bash")); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := runShell(t, `echo "$PATH"`, "PATH="+dir)
	if stdout != dir+"\n" || code != 0 {
		t.Errorf("stdout %q, stderr %q, code %d, want PATH %s", stdout, stderr, code, dir)
	}
}
