package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// leaf is where a process goes that stands in its delegated group itself: with version 2 a group has either processes or groups.
const leaf = "aod-host"

// home2 finds the group that may hold ours; settle says that this process would have to leave it first.
func home2(mounts []mount, own memberships, root bool) (h Home, settle string) {
	const help = "run the server by systemd with Delegate=yes"
	for _, m := range mounts {
		if m.kind != "cgroup2" {
			continue
		}
		dir := m.at(own[""])
		base := ""
		switch {
		case delegated(dir):
			base, settle = dir, dir
		case dir != m.point && delegated(filepath.Dir(dir)):
			base = filepath.Dir(dir)
		case root && realRoot(m.point):
			base = m.point
		default:
			return Home{why: help}, ""
		}
		b, err := os.ReadFile(filepath.Join(base, "cgroup.controllers"))
		if err != nil || !writable(base) {
			return Home{why: help}, ""
		}
		h = Home{version: 2, bases: map[string]string{}, why: "the group of the server has only the controllers " + strings.TrimSpace(string(b))}
		for _, c := range strings.Fields(string(b)) {
			if slices.Contains(controllers, c) {
				h.bases[c] = base
			}
		}
		return h, settle
	}
	return Home{why: help}, ""
}

// delegated says whether systemd has left the group to whom it has started in it.
func delegated(dir string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		b := make([]byte, 8)
		if n, err := unix.Getxattr(dir, name, b); err == nil && string(b[:n]) == "1" {
			return true
		}
	}
	return false
}

// realRoot says whether a mount shows the kernel's own root group, the only one without a type and the only one that may hold both.
func realRoot(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "cgroup.type"))
	return errors.Is(err, os.ErrNotExist)
}

// moveAside puts this process into the leaf of the delegated group.
func moveAside(dir string) error {
	aside := filepath.Join(dir, leaf)
	if err := os.Mkdir(aside, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("leave the delegated control group: %w", err)
	}
	if err := write(filepath.Join(aside, "cgroup.procs"), strconv.Itoa(os.Getpid())); err != nil {
		return fmt.Errorf("leave the delegated control group: %w", err)
	}
	return nil
}

// enable lets the controllers reach our groups.
func (h Home) enable() error {
	for c, base := range h.bases {
		for _, dir := range []string{base, filepath.Join(base, folder)} {
			if err := write(filepath.Join(dir, "cgroup.subtree_control"), "+"+c); err != nil {
				return err
			}
		}
	}
	return nil
}

// settings2 are the files of version 2.
func settings2(l Limits) []setting {
	var out []setting
	if l.Memory > 0 {
		out = append(out, setting{"memory", "memory.max", strconv.FormatInt(l.Memory, 10), false}, setting{"memory", "memory.swap.max", "0", true})
	}
	if l.CPUs > 0 {
		out = append(out, setting{"cpu", "cpu.max", quota(l.CPUs) + " " + strconv.Itoa(period), false})
	}
	if l.Processes > 0 {
		out = append(out, setting{"pids", "pids.max", strconv.Itoa(l.Processes), false})
	}
	return out
}
