package local_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// isolation is a script that prints a line for everything that must not be possible.
const isolation = `
for f in "$@" /etc/shadow /etc/gshadow /etc/sudoers /etc/ssh /root/.bashrc /home/*/.profile /boot /sys/kernel; do
  [ -e "$f" ] && echo "sees $f"
done
for p in /proc/[0-9]*; do
  case $(tr '\0' ' ' < $p/cmdline 2>/dev/null) in
    aod-pid1*|aod-supervisor*|sh*|tr*|"") ;;
    *) echo "foreign process $(tr '\0' ' ' < $p/cmdline)" ;;
  esac
done
echo 1 2>/dev/null > /proc/sys/kernel/core_pattern && echo "writes /proc/sys"
echo h 2>/dev/null > /proc/sysrq-trigger && echo "writes sysrq"
mount -t tmpfs none /mnt 2>/dev/null && echo "mounts"
mkdir -p /tmp/m && mount -t tmpfs none /tmp/m 2>/dev/null && echo "mounts"
umount /proc/sys 2>/dev/null && echo "unmounts"
unshare -U true 2>/dev/null && echo "nests user namespaces"
kill -TERM 1; kill -KILL 1; kill -0 1 || echo "killed init"
echo x 2>/dev/null > /run/.sprite/init && echo "writes the binary"
cat /proc/1/environ 2>/dev/null && echo "reads init's environment"
ls /proc/self/fd | tr '\n' ' ' | grep -q '77' && echo "inherits a file"
grep -q '^NoNewPrivs:.*1' /proc/self/status || echo "has new privileges"
grep -q '^Seccomp:.*2' /proc/self/status || echo "has no filter"
awk '$1 == 0 && $2 == 0 { print "root of the host" }' /proc/self/uid_map
true
`

func TestSpriteSeesOnlyItself(t *testing.T) {
	t.Parallel()
	// A file that this process has inherited must not travel on.
	fd, err := unix.Open(os.Args[0], unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup2(fd, 77); err != nil {
		t.Fatal(err)
	}
	opts := options(t)
	share := t.TempDir()
	if err := os.Chmod(share, 0o755); err != nil {
		t.Fatal(err)
	}
	opts.Shares = append(opts.Shares, shareAt(share))
	m := openWith(t, opts)
	m.create(t, "me")
	m.create(t, "other")
	m.sh(t, "other", "echo secret > /workspace/secret")
	hidden := []string{opts.Dir, filepath.Join(opts.Dir, "other"), os.Args[0], "/work", "/var/log/dpkg.log"}
	r := m.run(t.Context(), "me", nil, append([]string{"sh", "-c", isolation, "sh"}, hidden...)...)
	if r.err != nil || r.code != 0 || r.stdout != "" {
		t.Errorf("exit %d, %v:\n%s%s", r.code, r.err, r.stdout, r.stderr)
	}
	if got := m.sh(t, "me", "ls -A /workspace"); got != "" {
		t.Errorf("shared files: %s", got)
	}
	// A share is live, and read-only.
	if err := os.WriteFile(filepath.Join(share, "tool"), []byte("#!/bin/sh\necho works\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := m.sh(t, "me", "/opt/aod/tool; touch /opt/aod/x 2>/dev/null && echo written; true"); got != "works\n" {
		t.Errorf("share: %q", got)
	}
	// Layers are the Sprite's own.
	m.sh(t, "me", "echo mine > /usr/local/mine && rm -f /usr/bin/uptime")
	if got := m.sh(t, "other", "ls /usr/local; ls /usr/bin/uptime 2>/dev/null; true"); strings.Contains(got, "mine") {
		t.Errorf("layers are shared: %s", got)
	}
	if _, err := os.Stat("/usr/local/mine"); err == nil {
		t.Error("the host's /usr was written")
	}
}
