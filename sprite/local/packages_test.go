package local_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// installed are what the package managers of a Sprite get from where they get things by default. Each is small, is not on the machine that runs
// the tests, and prints something that only it prints.
var installed = []struct{ manager, install, use, want string }{
	{"apt", `update() { apt-get update -qq -o Acquire::Languages=none; }
		update || update
		apt-get install -qq --no-install-recommends hello`, "hello", "Hello, world!\n"},
	{"pip", "/usr/bin/pip install --quiet --disable-pip-version-check iniconfig", `/usr/bin/python3 -c 'import iniconfig as i; print(i.IniConfig("x", "[a]\nb=c\n")["a"]["b"])'`, "c\n"},
	{"npm", "npm install -g --no-audit --no-fund --loglevel=error semver", "semver 1.2.3", "1.2.3\n"},
}

// What the package managers install from their own registries is there for the next command, as long as the Sprite is, and never on the host.
func TestRealPackagesPersist(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "packages")
	for _, p := range installed {
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), hostKey{}, m), 5*time.Minute)
		defer cancel()
		cmd := m.client.Sprite("packages").CommandContext(ctx, "sh", "-ec", p.install)
		out, errs, err := begin(cmd, nil)
		if err == nil {
			err = cmd.Wait()
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s%s", p.manager, err, out, errs)
		}
	}
	use := func(when string) {
		for _, p := range installed {
			if got := m.sh(t, "packages", p.use); got != p.want {
				t.Errorf("%s, %s: %q", p.manager, when, got)
			}
		}
		if got := m.sh(t, "packages", "dpkg -s hello | grep ^Status; /usr/bin/pip list --format=freeze 2>/dev/null | grep ^iniconfig=; ls -d $(npm root -g)/semver"); strings.Count(got, "\n") != 3 || !strings.Contains(got, "Status: install ok installed\n") {
			t.Errorf("%s, the managers know of: %s", when, got)
		}
	}
	use("the next command")
	shim, init := pids(t, m, "packages")
	if err := unix.Kill(shim, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	untilGone(t, init)
	waitCold(t, m, "packages")
	use("the next start")
	if again, _ := pids(t, m, "packages"); again == shim {
		t.Errorf("the shim %d is the same", shim)
	}
	for _, script := range []string{
		"dpkg -s hello", "command -v hello", "/usr/bin/python3 -c 'import iniconfig'", "command -v semver", "ls -d /usr/local/lib/node_modules/semver", "ls -d /usr/lib/node_modules/semver",
	} {
		cmd := exec.Command("sh", "-c", script)
		cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("on the host: %s: %s", script, out)
		}
	}
	if left, err := filepath.Glob("/usr/local/lib/python3*/dist-packages/iniconfig*"); err != nil || len(left) > 0 {
		t.Errorf("on the host: %v %v", left, err)
	}
}
