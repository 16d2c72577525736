// Package nic makes the network interfaces of a Sprite, in the network namespace of the calling thread. The processes inside a Sprite
// use it, so it imports next to nothing: all that they import delays every command.
package nic

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// LoopbackUp brings the loopback device up in the network namespace of the calling thread.
func LoopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	defer unix.Close(s)
	return device{s, "lo"}.up()
}

// device is a network device, with a socket to speak about it.
type device struct {
	socket int
	name   string
}

// set asks the kernel for one change of the device.
func (d device) set(request uint, fill func(*unix.Ifreq) error) error {
	r, err := unix.NewIfreq(d.name)
	if err != nil {
		return err
	}
	if err := fill(r); err != nil {
		return err
	}
	return unix.IoctlIfreq(d.socket, request, r)
}

func (d device) up() error {
	err := d.set(unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error {
		r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		return nil
	})
	if err != nil {
		return fmt.Errorf("bring %s up: %w", d.name, err)
	}
	return nil
}
