package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"

	"github.com/agent-on-demand/aod/sprite/local/nic"
	"golang.org/x/sys/unix"
)

// exits are the ends of a Sprite's network that its shim holds: the sockets that listen on its loopback, for the proxy and for each
// forwarded port, and its interface, or -1.
type exits struct {
	listeners []int
	tun       int
}

func (e *exits) close() error {
	closeAll(e.listeners)
	if e.tun < 0 {
		return nil
	}
	return unix.Close(e.tun)
}

// files are what the init hands over.
func (e *exits) files() []int {
	if e.tun < 0 {
		return e.listeners
	}
	return append(slices.Clone(e.listeners), e.tun)
}

// tunIn opens the interface in the network of a process, on a thread that is not used for anything else afterwards. It returns -1 where that
// is not possible: the Sprite then reaches what its programs ask the proxy for, and nothing else.
func tunIn(pid int) int {
	opened := make(chan int)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		fd, err := enterTUN(pid)
		if err != nil {
			fmt.Fprintf(os.Stderr, "the sprite has its proxy only: %v\n", err)
			fd = -1
		}
		opened <- fd
	}()
	return <-opened
}

func enterTUN(pid int) (int, error) {
	ns, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open network namespace: %w", err)
	}
	defer unix.Close(ns)
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return -1, fmt.Errorf("enter network namespace: %w", err)
	}
	return nic.OpenTUN()
}

// network makes the Sprite's loopback and what listens on it, and its interface unless the shim has.
func (w *world) network(tun bool) error {
	w.exits = &exits{tun: -1}
	if err := nic.LoopbackUp(); err != nil {
		return fmt.Errorf("bring up the loopback: %w", err)
	}
	for _, port := range w.cfg.Ports {
		if err := w.exits.listen(port); err != nil {
			return err
		}
	}
	if w.resolves = tun; w.cfg.Base == 0 {
		fd, err := nic.OpenTUN()
		if err != nil {
			fmt.Fprintf(os.Stderr, "the sprite has its proxy only: %v\n", err)
			return nil
		}
		w.exits.tun, w.resolves = fd, true
	}
	return nil
}

func (e *exits) listen(port uint16) error {
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	if err != nil {
		return fmt.Errorf("listen in the sprite: %w", err)
	}
	defer ln.Close()
	f, err := ln.File()
	if err != nil {
		return fmt.Errorf("listen in the sprite: %w", err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("listen in the sprite: %w", err)
	}
	e.listeners = append(e.listeners, fd)
	return nil
}

// Carrier carries the traffic of one Sprite out of its network, as far as its policy allows. Each Serve ends only when nothing more comes.
type Carrier interface {
	SetPolicy(json.RawMessage) error
	ServeProxy(net.Listener) error
	ServeForward(ln net.Listener, port uint16) error
	ServeTUN(fd int) error
}

// carry lets the Sprite's traffic out.
func (s *shim) carry(out *exits, carrier func(Config, func(string)) (Carrier, error)) (err error) {
	if out == nil {
		return nil
	}
	if len(out.listeners) != len(s.cfg.Ports) {
		return errors.Join(fmt.Errorf("%d listeners instead of %d", len(out.listeners), len(s.cfg.Ports)), out.close())
	}
	if s.carrier, err = carrier(s.cfg, s.tell); err != nil {
		return errors.Join(err, out.close())
	}
	for i, fd := range out.listeners {
		f := os.NewFile(uintptr(fd), "listener")
		ln, err := net.FileListener(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("take over listener: %w", err)
		}
		if i == 0 {
			go attempt("proxy", func() error { return s.carrier.ServeProxy(ln) })
		} else {
			go attempt("forward", func() error { return s.carrier.ServeForward(ln, s.cfg.Ports[i]) })
		}
	}
	if out.tun >= 0 {
		go attempt("interface", func() error { return s.carrier.ServeTUN(out.tun) })
	}
	return nil
}

// setPolicy puts the Sprite under another policy, and shows it.
func (s *shim) setPolicy(p json.RawMessage) reply {
	var err error
	if s.carrier != nil {
		err = s.carrier.SetPolicy(p)
	}
	if err = errors.Join(err, showPolicy(s.cfg.Dir, p)); err != nil {
		return reply{Error: &Refusal{NotStarted, err.Error()}}
	}
	return reply{}
}

// attempt puts into the log why a way out has ended: the Sprite goes on without it.
func attempt(what string, serve func() error) {
	if err := serve(); err != nil {
		complain(what, err)
	}
}
