package shim

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"

	"github.com/agent-on-demand/aod/sprite/local/egress"
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
	return egress.OpenTUN()
}

// network makes the Sprite's loopback and what listens on it, and its interface unless the shim has.
func (w *world) network(tun bool) error {
	w.exits = &exits{tun: -1}
	if err := egress.LoopbackUp(); err != nil {
		return fmt.Errorf("bring up the loopback: %w", err)
	}
	for _, port := range ports(w.cfg.Hosts) {
		if err := w.exits.listen(port); err != nil {
			return err
		}
	}
	if w.resolves = tun; w.cfg.Base == 0 {
		fd, err := egress.OpenTUN()
		if err != nil {
			fmt.Fprintf(os.Stderr, "the sprite has its proxy only: %v\n", err)
			return nil
		}
		w.exits.tun, w.resolves = fd, true
	}
	return nil
}

// ports are those that listen on a Sprite's loopback, in the order in which the shim gets them.
func ports(hosts []egress.Host) []uint16 {
	return append([]uint16{egress.ProxyPort}, slices.DeleteFunc(egress.Forwards(hosts), func(p uint16) bool { return p == egress.ProxyPort })...)
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

// carry lets the Sprite's traffic out.
func (s *shim) carry(out *exits) error {
	if out == nil {
		return nil
	}
	s.egress = egress.New(egress.Config{Policy: s.cfg.Policy, Hosts: s.cfg.Hosts, Nameserver: s.cfg.Nameserver, Denied: s.tell})
	listening := ports(s.cfg.Hosts)
	if len(out.listeners) != len(listening) {
		return errors.Join(fmt.Errorf("%d listeners instead of %d", len(out.listeners), len(listening)), out.close())
	}
	for i, fd := range out.listeners {
		f := os.NewFile(uintptr(fd), "listener")
		ln, err := net.FileListener(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("take over listener: %w", err)
		}
		if i == 0 {
			go attempt("proxy", func() error { return s.egress.ServeProxy(ln) })
		} else {
			go attempt("forward", func() error { return s.egress.ServeForward(ln, listening[i]) })
		}
	}
	if out.tun >= 0 {
		go attempt("interface", func() error { return s.egress.ServeTUN(out.tun) })
	}
	return nil
}

// attempt puts into the log why a way out has ended: the Sprite goes on without it.
func attempt(what string, serve func() error) {
	if err := serve(); err != nil {
		complain(what, err)
	}
}
