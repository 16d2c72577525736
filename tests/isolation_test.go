package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a session may not read, it cannot: each line of its output names one thing
// that it got at after all. The server is a process of its own, once as the user
// who runs the tests and, if that is root, once as an ordinary user.
func TestSessionSeesNothingOfTheHost(t *testing.T) {
	t.Parallel()
	users := []int{os.Getuid()}
	if os.Getuid() == 0 {
		users = append(users, ordinaryUser)
	}
	for _, uid := range users {
		t.Run(fmt.Sprint("uid ", uid), func(t *testing.T) {
			t.Parallel()
			a := spawn(t, uid)
			_, other := a.run("echo secret of another session > /home/sprite/other; echo ready")
			if output(other, "stdout", 1) != "ready\n" {
				t.Fatal(other)
			}
			hostFile := filepath.Join(a.dir, "on-the-host")
			if err := os.WriteFile(hostFile, []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
			paths := []string{
				a.dir, filepath.Join(a.dir, "aod.db"), filepath.Join(a.dir, "key"), filepath.Join(a.dir, "sprites"), hostFile, binary,
				"/etc/shadow", "/etc/ssh", "/root/.bashrc", "/sys/kernel", "/boot", "/home/sprite/other", "/proc/kcore.real",
			}
			script := "for p in " + strings.Join(paths, " ") + "; do if ls $p >/dev/null 2>&1; then echo sees $p; fi; done\n" +
				"[ \"$(ls /home)\" = sprite ] || echo home: $(ls /home)\n" +
				"[ -z \"$(ls /root)\" ] || echo root: $(ls -A /root)\n" +
				"for p in /proc/[0-9]*; do tr '\\0\\n' '  ' < $p/cmdline; echo; done | grep -v -e '^aod-' -e '^bash' -e '^tr ' -e '^grep' -e '^$' " +
				"-e '^sh -c exec ' -e '^sh -c kill ' -e '^timeout -k' -e '^tail -c' -e '^flock -s ' -e '^curl .* http://sprite/v1/tasks/'\n" + // the turn's runner, its readers and its heartbeat
				"echo 1 > /proc/sys/kernel/core_pattern 2>/dev/null && echo wrote a sysctl\n" +
				"mount -t tmpfs none /mnt 2>/dev/null && echo mounted\n" +
				"unshare -U true 2>/dev/null && echo nested user namespace\n" +
				"kill -9 1 2>/dev/null; ls -A / | tr '\\n' ' '\n"
			_, all := a.run(script)
			got := output(all, "stdout", 1)
			want := ".sprite bin dev etc home lib lib64 opt proc root run sbin srv tmp usr var workspace "
			if strings.Join(strings.Fields(got), " ") != strings.TrimSpace(want) {
				t.Errorf("the session says\n%s\n%s\nwant only\n%s", got, output(all, "stderr", 1), want)
			}
			if end := all[len(all)-1]; end.Type != "exit" {
				t.Errorf("ended with %+v", end)
			}
		})
	}
}

// A program can be installed and files can be changed as root of the Sprite, and
// the next turn has them.
func TestSpriteIsItsOwnMachine(t *testing.T) {
	t.Parallel()
	a := start(t)
	session, all := a.run("set -e; echo x > /usr/local/bin/tool; chmod +x /usr/local/bin/tool; echo y >> /etc/hosts.allow; touch /workspace/w /opt/o /tmp/t /var/tmp/v; hostname; id -u")
	if got := output(all, "stdout", 1); !strings.HasSuffix(got, "\n0\n") {
		t.Fatalf("%q %s", got, output(all, "stderr", 1))
	}
	a.post("/sessions/"+session+"/prompt", `{"prompt":"ls -x /usr/local/bin/tool /etc/hosts.allow /workspace/w /opt/o /tmp/t /var/tmp/v"}`).want(202)
	all = a.stream(session).rest()
	if end := all[len(all)-1]; end.Type != "exit" || *end.Code != 0 {
		t.Errorf("ended with %+v: %s", end, output(all, "stderr", 2))
	}
	if _, err := os.Stat("/usr/local/bin/tool"); err == nil {
		t.Error("the Sprite has written to the host")
	}
}
