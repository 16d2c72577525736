package local_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/superfly/sprites-go"
	"golang.org/x/sys/unix"
)

// threats are things that no command of a Sprite may be able to do. Each script prints a line for every one that works after all. $host is a
// process of the host; the arguments are paths of the host that must not be there.
var threats = []struct{ name, script string }{
	{"files of the host and of other sprites", `
		for root in "" /.. /proc/1/root /proc/$PPID/root; do
			for f in "$@" /etc/shadow /etc/gshadow /etc/sudoers /etc/ssh /etc/apt/auth.conf /root/.bashrc /home/*/.profile /srv/* /mnt /media /boot /sys/kernel; do
				[ -e "$root$f" ] && echo "sees $root$f"
			done
		done`},
	{"processes of the host", `
		for p in /proc/[0-9]*; do
			case $(tr '\0' ' ' < $p/cmdline 2>/dev/null) in aod-pid1*|aod-supervisor*|sh*|tr*|"") ;; *) echo "foreign process $(tr '\0' ' ' < $p/cmdline)" ;; esac
		done
		[ "$(ls -d /proc/[0-9]* | wc -l)" -le 12 ] || echo "many processes"
		kill -0 $host 2>/dev/null && echo "signals the host's $host"`},
	{"inherited descriptors", `ls /proc/self/fd | grep -qx 77 && echo "inherits a file"`},
	{"root of the host, sysctl", `
		awk '$2 == 0 { print "root of the host" }' /proc/self/uid_map /proc/self/gid_map
		for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sysrq-trigger; do
			[ ! -e $f ] || (echo h > $f) 2>&1 | grep -q 'Read-only file system' || echo "writes $f"
		done
		cat /proc/kcore /proc/kallsyms /proc/keys /proc/modules 2>/dev/null | head -c 1 | grep -q . && echo "reads the kernel"`},
	{"the server's binary", `
		for f in /run/.sprite/init /proc/1/exe /proc/$PPID/exe; do (echo x > $f) 2>/dev/null && echo "writes $f"; done
		(echo x > /run/.sprite/init) 2>&1 | grep -q 'Read-only file system' || echo "it is not read-only"
		chmod 777 /run/.sprite/init 2>/dev/null && echo "changes its mode"
		rm -f /run/.sprite/init 2>/dev/null; [ -e /run/.sprite/init ] || echo "removes it"`},
	{"mounts, devices, namespaces", `
		mkdir -p /tmp/m; mount -t tmpfs none /tmp/m 2>/dev/null && echo "mounts"
		mount --bind / /tmp/m 2>/dev/null && echo "binds"
		umount /proc/sys 2>/dev/null && echo "unmounts"
		mount -o remount,rw /proc/sys 2>/dev/null && echo "remounts"
		mknod /tmp/disk b 8 0 2>/dev/null && [ -b /tmp/disk ] && echo "makes a device"
		unshare -U true 2>/dev/null && echo "nests user namespaces"
		unshare -n true 2>/dev/null && echo "unshares the network"
		nsenter -t 1 -m true 2>/dev/null && echo "enters a namespace"
		chroot / true 2>/dev/null || echo "cannot chroot, as package managers do"`},
	{"control sockets of its keepers", `
		cat /proc/1/environ /proc/1/maps /proc/$PPID/environ 2>/dev/null | head -c 1 | grep -q . && echo "reads init"
		perl -e 'for my $pid (1, shift) { my $fd = syscall(434, $pid + 0, 0); next if $fd < 0; for (0 .. 20) { print "takes descriptor $_ of $pid\n" if syscall(438, $fd, $_, 0) >= 0 } }' $PPID
		perl -e 'print "opens memory\n" if open(my $f, "<", "/proc/1/mem") && sysread($f, my $b, 1)'
		perl -MPOSIX -e 'print "traces init\n" if (uname)[4] eq "x86_64" && syscall(101, 16, 1, 0, 0) == 0'`},
	{"new privileges", `
		grep -q '^NoNewPrivs:.*1' /proc/self/status || echo "can have new privileges"
		grep -q '^Seccomp:.*2' /proc/self/status || echo "has no filter"
		awk '$5 !~ "^/(dev/(null|zero|full|random|urandom|tty)|proc/)" && $6 !~ /nosuid/ { print "setuid on " $5 }' /proc/self/mountinfo
		awk '$5 !~ "^/(dev|proc/)" && $6 !~ /nodev/ { print "devices on " $5 }' /proc/self/mountinfo
		[ $((0x$(awk '/^CapBnd/ { print $2 }' /proc/self/status) & ~0x800405fb)) = 0 ] || echo "has the capabilities $(grep CapBnd /proc/self/status)"`},
	{"secrets in the environment", `
		env | grep -v -E '^(PATH|HOME|USER|LOGNAME|SHELL|TERM|LANG|IS_SANDBOX|DEBIAN_FRONTEND|PIP_BREAK_SYSTEM_PACKAGES|PIP_ROOT_USER_ACTION|NODE_USE_ENV_PROXY|PWD|SHLVL|_|(HTTP|HTTPS|ALL|NO)_PROXY|(http|https|all|no)_proxy)='`},
	{"calls that a kernel bug could be in", `
		perl -MPOSIX -e '%no = (keyctl => 250, bpf => 321, perf_event_open => 298, userfaultfd => 323, io_uring_setup => 425, open_by_handle_at => 304, kexec_load => 246,
			init_module => 175, fsopen => 430, mount_setattr => 442, setns => 308, add_key => 248, fanotify_init => 300, quotactl => 179, syslog => 103);
			@no{qw(clone3 move_mount fsconfig fsmount fspick open_tree io_uring_enter io_uring_register pivot_root kexec_file_load request_key)} = (435, 429, 431, 432, 433, 428, 426, 427, 155, 320, 249);
			@no{qw(acct swapon swapoff reboot umount2 mount vhangup delete_module finit_module iopl ioperm lookup_dcookie quotactl_fd)} = (163, 167, 168, 169, 166, 165, 153, 176, 313, 172, 173, 212, 443);
			exit unless (uname)[4] eq "x86_64";
			for (sort keys %no) { my $r = syscall($no{$_}, 0, 0, 0, 0, 0); print "$_: $!\n" unless $r == -1 && ($!{EPERM} || $!{ENOSYS}) }'`},
}

func TestThreats(t *testing.T) {
	t.Parallel()
	inheritable(t)
	m := open(t)
	m.create(t, "me")
	shim, _ := pids(t, m, "me")
	closed(t, shim)
	m.create(t, "other")
	m.sh(t, "other", "echo secret > /workspace/secret")
	hidden := []string{m.opts.Dir, filepath.Join(m.opts.Dir, "other"), filepath.Join(m.opts.Dir, "me", "shim.sock"), os.Args[0], "/var/log/dpkg.log"}
	for _, threat := range threats {
		t.Run(threat.name, func(t *testing.T) {
			t.Parallel()
			script := fmt.Sprintf("host=%d\n%s\ntrue", os.Getpid(), threat.script)
			r := m.run(t.Context(), "me", nil, append([]string{"sh", "-c", script, "sh"}, hidden...)...)
			if r.err != nil || r.code != 0 || r.stdout != "" {
				t.Errorf("exit %d, %v:\n%s%s", r.code, r.err, r.stdout, r.stderr)
			}
		})
	}
	if got := m.sh(t, "me", "ls -A /workspace"); got != "" {
		t.Errorf("shared files: %s", got)
	}
}

// closed checks that the shim passes on what inheritable has opened to nobody.
func closed(t *testing.T, shim int) {
	t.Helper()
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/77", shim))
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	var flags int
	_, text, _ := strings.Cut(string(info), "flags:")
	if _, serr := fmt.Sscanf(text, "%o", &flags); err != nil || serr != nil || flags&unix.O_CLOEXEC == 0 {
		t.Errorf("flags %#o, %v, %v", flags, err, serr)
	}
}

// inheritable opens a file in this process as one that its children would have.
func inheritable(t *testing.T) {
	t.Helper()
	fd, err := unix.Open(os.Args[0], unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup2(fd, 77); err != nil {
		t.Fatal(err)
	}
}

// No signal from inside reaches the first process, whichever it is and however it is sent; and commands have them all as usual.
func TestSignalsLeaveTheInitAlone(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "signals")
	init := initPid(t, m, "signals")
	for range 3 {
		m.sh(t, "signals", "for s in $(seq 1 64); do kill -$s 1; done; true")
		m.sh(t, "signals", `perl -MPOSIX -e 'exit unless (uname)[4] eq "x86_64"; for (1 .. 64) { my $info = pack("iii@128", $_, 0, -1); syscall(129, 1, $_, $info) }'`)
		if now := initPid(t, m, "signals"); now != init {
			t.Fatalf("init %d became %d", init, now)
		}
	}
	// Of the first 31: a race detector's C library keeps the 32nd to itself.
	if got := m.sh(t, "signals", "echo $((0x$(awk '/SigIgn/ { print $2 }' /proc/self/status) & 0x7fffffff)); sh -c 'kill -SEGV $$'; echo $?"); got != "0\n139\n" {
		t.Errorf("a command: %q", got)
	}
}

// Nobody types into a terminal for somebody else: not even its owner's programs.
func TestTerminalTakesNoInjectedInput(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "tty")
	var out watcher
	out.found = make(chan struct{})
	cmd, _, _, err := m.start(t.Context(), "tty", func(c *sprites.Cmd) { c.SetTTY(true); c.Stdout = &out },
		"perl", "-e", `for (0x5412, 0x541c) { print ioctl(STDIN, $_, my $x = "x") ? "typed\n" : $!{EPERM} ? "refused\n" : "$!\n" } print -t STDIN ? "terminal\n" : "none\n"; print glob("/dev/pts/*"), "\n"`)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := out.String(); cmd.ExitCode() != 0 || got != "refused\r\nrefused\r\nterminal\r\n/dev/pts/0/dev/pts/ptmx\r\n" {
		t.Errorf("exit %d: %q", cmd.ExitCode(), got)
	}
}

// tree leaves 20 daemons behind, each in a session of its own and without a parent, and one that never stays the same process.
const tree = `
for i in 1 2 3 4 5 6 7 8 9 10; do setsid sh -c 'setsid sleep 4718 & setsid sleep 4718 &' & done
perl -e 'use POSIX; $0 = "hopper"; while (1) { exit if fork; setsid }' &
until [ "$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -c 4718)" -ge 20 ]; do :; done
echo ready; sleep 4718`

// What a session has started ends with it, wherever it has gone to, every time, and a second kill finds nothing left to do.
func TestNothingEscapesFromKill(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "escape")
	init := initPid(t, m, "escape")
	for round := range 20 {
		ready := newWatcher("ready\n")
		r := newReader()
		cmd, _, _, err := m.start(t.Context(), "escape", func(c *sprites.Cmd) { r.prepare(c); c.Stdout = ready }, "sh", "-c", tree)
		if err != nil {
			t.Fatal(err)
		}
		id := <-r.id
		ready.wait(t)
		began := time.Now()
		if status, body := m.post(t, "/v1/sprites/escape/exec/"+id+"/kill?signal=KILL"); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		took := time.Since(began)
		_ = cmd.Wait()
		if left := m.sh(t, "escape", processes); count(left, "sleep 4718") > 0 || count(left, "hopper") > 0 {
			t.Fatalf("round %d, after %v:\n%s", round, took, left)
		}
		if status, body := m.post(t, "/v1/sprites/escape/exec/"+id+"/kill?signal=KILL"); status != 410 {
			t.Fatalf("again: %d %s", status, body)
		}
		t.Logf("round %d: %v", round, took.Round(time.Millisecond))
	}
	if now := initPid(t, m, "escape"); now != init {
		t.Errorf("init %d had to go and became %d", init, now)
	}
}

// Shares are live, and read-only; layers are the Sprite's own.
func TestSharesAndLayersKeepSpritesApart(t *testing.T) {
	t.Parallel()
	opts := options(t)
	share := t.TempDir()
	if err := os.Chmod(share, 0o755); err != nil {
		t.Fatal(err)
	}
	opts.Shares = append(opts.Shares, shareAt(share))
	m := openWith(t, opts)
	m.create(t, "me")
	m.create(t, "other")
	if err := os.WriteFile(filepath.Join(share, "tool"), []byte("#!/bin/sh\necho works\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := m.sh(t, "me", "/opt/aod/tool; touch /opt/aod/x 2>/dev/null && echo written; true"); got != "works\n" {
		t.Errorf("share: %q", got)
	}
	m.sh(t, "me", "echo mine > /usr/local/mine && rm -f /usr/bin/uptime")
	if got := m.sh(t, "other", "ls /usr/local; ls /usr/bin/uptime 2>/dev/null; true"); strings.Contains(got, "mine") {
		t.Errorf("layers are shared: %s", got)
	}
	if _, err := os.Stat("/usr/local/mine"); err == nil {
		t.Error("the host's /usr was written")
	}
}
