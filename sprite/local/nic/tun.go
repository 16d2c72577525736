package nic

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// MTU is that of a Sprite's interface.
	MTU = 65520
	// Nameserver is the address of the DNS server that a Sprite with an interface has.
	Nameserver = "10.0.2.3"
	// ProxyPort is where the proxy listens on the loopback of a Sprite.
	ProxyPort = 3128
)

// The other addresses inside a Sprite. Every Sprite has the same: none of them leaves it.
var (
	spriteAddr  = [4]byte{10, 0, 2, 100}
	gatewayAddr = [4]byte{10, 0, 2, 2}
	spriteMask  = [4]byte{255, 255, 255, 0}
)

// Available says why this process cannot make interfaces, if it cannot.
func Available() error {
	fd, err := open()
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// OpenTUN makes the device eth0, with its address and the default route, in the network namespace of the calling thread. The descriptor
// does not depend on the thread. It fails where /dev/net/tun cannot be opened; a Sprite without it is as closed as one with it.
func OpenTUN() (fd int, err error) {
	if fd, err = open(); err != nil {
		return -1, err
	}
	if err := configure(fd); err != nil {
		return -1, errors.Join(fmt.Errorf("make eth0: %w", err), unix.Close(fd))
	}
	return fd, nil
}

func open() (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	return fd, nil
}

func configure(fd int) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	defer unix.Close(s)
	eth := device{s, "eth0"}
	addr := func(a [4]byte) func(*unix.Ifreq) error {
		return func(r *unix.Ifreq) error { return r.SetInet4Addr(a[:]) }
	}
	err = device{fd, eth.name}.set(unix.TUNSETIFF, func(r *unix.Ifreq) error {
		r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		return nil
	})
	if err != nil {
		return fmt.Errorf("make the device: %w", err)
	}
	if err := eth.set(unix.SIOCSIFADDR, addr(spriteAddr)); err != nil {
		return fmt.Errorf("set the address: %w", err)
	}
	if err := eth.set(unix.SIOCSIFNETMASK, addr(spriteMask)); err != nil {
		return fmt.Errorf("set the netmask: %w", err)
	}
	err = eth.set(unix.SIOCSIFMTU, func(r *unix.Ifreq) error {
		r.SetUint32(MTU)
		return nil
	})
	if err != nil {
		return fmt.Errorf("set the MTU: %w", err)
	}
	if err := eth.up(); err != nil {
		return err
	}
	return defaultRoute(s)
}

// rtentry is the argument of SIOCADDRT (linux/route.h) on 64-bit machines.
type rtentry struct {
	_             uint64
	dst, gw, mask unix.RawSockaddrInet4
	flags         uint16
	_             int16
	_, _          uint64
	metric        int16
	_             [6]byte
	dev           uintptr
	mtu, window   uint64
	irtt          uint16
}

func defaultRoute(socket int) error {
	rt := rtentry{flags: unix.RTF_UP | unix.RTF_GATEWAY}
	rt.dst.Family, rt.gw.Family, rt.mask.Family = unix.AF_INET, unix.AF_INET, unix.AF_INET
	rt.gw.Addr = gatewayAddr
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCADDRT, uintptr(unsafe.Pointer(&rt))); errno != 0 {
		return fmt.Errorf("set the default route: %w", errno)
	}
	return nil
}
