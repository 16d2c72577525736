package egress_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agent-on-demand/aod/sprite/local/egress"
	"github.com/agent-on-demand/aod/sprite/local/nic"
)

const chunk = 1 << 20

// BenchmarkProxy compares a download through CONNECT with one without a proxy.
func BenchmarkProxy(b *testing.B) {
	port := source(b, "127.0.0.1:0")
	b.Run("direct", func(b *testing.B) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		download(b, c, c)
	})
	b.Run("connect", func(b *testing.B) {
		w := open(b, egress.Config{Policy: allowing(fmt.Sprintf("ok.test:%d", port)), Hosts: hostList(b, "ok.test=127.0.0.1")})
		c, r, _ := w.connect(b, fmt.Sprintf("ok.test:%d", port))
		defer c.Close()
		download(b, c, r)
	})
}

// BenchmarkTUN downloads through the TUN device. Only root has it on most hosts.
func BenchmarkTUN(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Log("no /dev/net/tun for ordinary users")
		return
	}
	port := source(b, "127.0.0.1:0")
	w := open(b, egress.Config{Hosts: hostList(b, "ok.test=127.0.0.1")})
	var fd int
	var c net.Conn
	ready := make(chan error)
	served := make(chan error, 1)
	next := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			fd, err = nic.OpenTUN()
		}
		ready <- err
		<-next
		c, err = dialByName("ok.test", port)
		ready <- err
	}()
	if err := <-ready; err != nil {
		b.Fatal(err)
	}
	go func() { served <- w.ServeTUN(fd) }()
	close(next)
	if err := <-ready; err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	download(b, c, c)
}

// dialByName dials on the calling thread alone.
func dialByName(name string, port int) (net.Conn, error) {
	dns, err := net.Dial("udp", nic.Nameserver+":53")
	if err != nil {
		return nil, err
	}
	r := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return dns, nil }}
	ips, err := r.LookupNetIP(context.Background(), "ip4", name+".")
	if err != nil {
		return nil, err
	}
	return net.Dial("tcp", netip.AddrPortFrom(ips[0], uint16(port)).String())
}

// source sends zeros to whoever connects.
func source(b *testing.B, addr string) int {
	b.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for zeros := make([]byte, chunk); ; {
					if _, err := c.Write(zeros); err != nil {
						return
					}
				}
			}()
		}
	}()
	return portOf(l.Addr())
}

func download(b *testing.B, c net.Conn, r io.Reader) {
	b.Helper()
	if err := c.SetDeadline(time.Time{}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(chunk)
	for buf := make([]byte, chunk); b.Loop(); {
		if _, err := io.ReadFull(r, buf); err != nil {
			b.Fatal(err)
		}
	}
}
