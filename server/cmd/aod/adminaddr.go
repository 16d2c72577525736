//go:build linux

package main

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// apart refuses an address for the operator that is none, or that is the API's.
func apart(admin, api string) error {
	host, port, err := net.SplitHostPort(admin)
	if err != nil {
		return err
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("its port is not a number up to 65535: %s", admin)
	} else if n == 0 {
		return nil // any that is free
	}
	other, taken, err := net.SplitHostPort(api)
	if err == nil && port == taken && overlap(host, other) {
		return fmt.Errorf("it is the same address as AOD_ADDR, %s; choose another port, as in 127.0.0.1:9090", api)
	}
	return nil
}

// overlap says whether who listens at one of two hosts takes the other one, too.
func overlap(a, b string) bool {
	if a == b || everywhere(a) || everywhere(b) {
		return true
	}
	return loopback(a) && loopback(b)
}

func everywhere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
