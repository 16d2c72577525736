package egress_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agent-on-demand/aod/sprite/local/nic"
)

// inWorld tells a test, started again, that the network is its own.
const inWorld = "AOD_TEST_WORLD"

// world starts the calling test again in a network namespace of its own, in which every address of 203.0.113.0/24 answers and yet is on no
// interface, so that it is public to the egress. In there world returns true.
func world(t *testing.T, uid uint32) bool {
	t.Helper()
	if os.Getenv(inWorld) != "" {
		if err := nic.LoopbackUp(); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("ip", "route", "add", "local", "203.0.113.0/24", "dev", "lo").CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "aod-egress-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "egress.test")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", self, binary).CombinedOutput(); err != nil { // written here, it would be open in whatever is forked meanwhile
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Chown(dir, int(uid), int(uid)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, binary, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = dir
	cmd.Env = []string{inWorld + "=1", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + dir, "TMPDIR=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if uid != 0 { // through unshare(1), which makes the user namespace as that user
		cmd = exec.CommandContext(ctx, "unshare", append([]string{"--user", "--map-root-user", "--net"}, cmd.Args...)...)
		cmd.Dir, cmd.Env = dir, []string{inWorld + "=1", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + dir, "TMPDIR=" + dir}
		if os.Geteuid() != int(uid) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return false
}

// inside is a Sprite's network namespace, and the one thread that is in it.
type inside struct {
	calls chan func()
	fd    int // of the TUN device, or -1
	err   error
	proxy net.Listener
}

// enter makes a network namespace with loopback, a listener for the proxy and, where that can be had, a TUN device.
func enter(t testing.TB) *inside {
	t.Helper()
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolv, []byte("nameserver "+nic.Nameserver+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	in := &inside{calls: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		ready <- func() (err error) {
			if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
				return err
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return err
			}
			if err := unix.Mount(resolv, "/etc/resolv.conf", "", unix.MS_BIND, ""); err != nil {
				return err
			}
			if err := nic.LoopbackUp(); err != nil {
				return err
			}
			in.fd, in.err = nic.OpenTUN()
			in.proxy, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", nic.ProxyPort))
			return err
		}()
		for call := range in.calls {
			call()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(in.calls) })
	return in
}

// do calls f in the namespace.
func (in *inside) do(f func()) {
	done := make(chan struct{})
	in.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}

// run starts a program in the namespace, and says what it said and how long it took.
func (in *inside) run(t testing.TB, env []string, args ...string) (out string, code int, took time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"))
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	start := time.Now()
	var err error
	in.do(func() { err = cmd.Start() })
	if err == nil {
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return b.String(), cmd.ProcessState.ExitCode(), time.Since(start)
}

// publish serves HTTP and echoes UDP on a public address.
func publish(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", "203.0.113.5:80")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello from %s\n", r.Host)
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	u, err := net.ListenPacket("udp", "203.0.113.5:4000")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for b := make([]byte, 1<<16); ; {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = u.WriteTo(b[:n], from)
		}
	}()
	t.Cleanup(func() { _ = u.Close() })
}

func serveInside(t testing.TB, w *way, in *inside) {
	t.Helper()
	served := make(chan error, 2)
	go func() { served <- w.ServeProxy(in.proxy) }()
	if in.fd >= 0 {
		go func() { served <- w.ServeTUN(in.fd) }()
	} else {
		served <- nil
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		for range cap(served) {
			select {
			case err := <-served:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(patience):
				t.Error("Close did not end everything")
			}
		}
	})
}
