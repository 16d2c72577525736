// Package cgroup keeps Sprites within their share of the machine by control groups of the kernel, version 2 or 1, where this process may
// make any.
//
//   - A process that is started in a Group, and all that comes of it, is never outside of it.
//   - Groups stand in a folder of our own below the group of this process, below the one that was delegated to it (systemd: Delegate=yes),
//     or, as root of a machine with version 2, below the root. No other group is ever changed, and no other process moved.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Limits say what the processes of a group may use together; what is 0 is not limited.
type Limits struct {
	Memory    int64   // bytes, those that are swapped out included
	CPUs      float64 // seconds of CPU time per second
	Processes int     // and threads
}

// controllers are those that limit what Limits name.
var controllers = []string{"memory", "cpu", "pids"}

// folder holds all our groups.
const folder = "aod"

// Home is where this process may make groups. The zero Home has no place for any.
type Home struct {
	version int
	bases   map[string]string // controller: the group that holds our folder; of version 2 they are one
	why     string            // some controllers are missing
}

// Has says whether a controller (memory, cpu, pids) works here.
func (h Home) Has(controller string) bool { return h.bases[controller] != "" }

// String says what is limited by groups here, and what would help where that is not everything.
func (h Home) String() string {
	var words []string
	for controller, word := range map[string]string{"memory": "memory", "cpu": "cpu", "pids": "processes"} {
		if h.Has(controller) {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	switch len(words) {
	case len(controllers):
		return fmt.Sprintf("memory, cpu and processes by cgroup v%d", h.version)
	case 0:
		return "processes by rlimit and memory by watching, cpu not at all: " + h.why
	}
	return fmt.Sprintf("%s by cgroup v%d, not all of memory, cpu and processes: %s", strings.Join(words, " and "), h.version, h.why)
}

// dirs are the folders of a group, one for each hierarchy that it is in.
func (h Home) dirs(name string) []string {
	var out []string
	for _, c := range controllers {
		if base := h.bases[c]; base != "" {
			if dir := filepath.Join(base, folder, name); !slices.Contains(out, dir) {
				out = append(out, dir)
			}
		}
	}
	return out
}

// Group holds the processes of one Sprite.
type Group struct {
	home Home
	dirs []string
	fd   *os.File // of version 2
}

// Make makes a group with nothing in it; what is left of an old one of this name is ended. A Home without groups answers nil, which starts
// processes all the same.
func (h Home) Make(name string, l Limits) (*Group, error) {
	if len(h.bases) == 0 {
		return nil, nil
	}
	if err := h.Remove(name); err != nil {
		return nil, err
	}
	g := &Group{home: h, dirs: h.dirs(name)}
	err := g.make(l)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make control group: %w", err), h.Remove(name))
	}
	return g, nil
}

func (g *Group) make(l Limits) (err error) {
	for _, dir := range g.dirs {
		// Whoever removes the last group removes our folder as well, perhaps between these two.
		for range 100 {
			if err = os.MkdirAll(filepath.Dir(dir), 0o755); err == nil && g.home.version == 2 {
				err = g.home.enable()
			}
			if err == nil {
				err = os.Mkdir(dir, 0o755)
			}
			if !errors.Is(err, fs.ErrNotExist) {
				break
			}
		}
		if err != nil {
			return err
		}
	}
	settings := settings1(l)
	if g.home.version == 2 {
		settings = settings2(l)
	}
	for _, s := range settings {
		if base := g.home.bases[s.controller]; base != "" {
			file := filepath.Join(base, folder, filepath.Base(g.dirs[0]), s.file)
			if err := write(file, s.value); err != nil && !(s.optional && errors.Is(err, fs.ErrNotExist)) {
				return err
			}
		}
	}
	if g.home.version == 2 {
		g.fd, err = os.Open(g.dirs[0])
	}
	return err
}

// setting is one file of a group.
type setting struct {
	controller, file, value string
	optional                bool // kernels without swap accounting do not have it
}

// Start starts a process in the group, from a goroutine that is locked to its thread: with version 1 the thread goes ahead.
func (g *Group) Start(cmd *exec.Cmd) error {
	if g == nil {
		return cmd.Start()
	}
	if g.fd != nil {
		if cmd.SysProcAttr == nil {
			cmd.SysProcAttr = &syscall.SysProcAttr{}
		}
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(g.fd.Fd())
		return cmd.Start()
	}
	// To move one's own thread takes microseconds, to move another process a grace period of the kernel for each hierarchy.
	defer g.home.back()
	for _, dir := range g.dirs {
		if err := write(filepath.Join(dir, "tasks"), "0"); err != nil {
			return fmt.Errorf("enter control group: %w", err)
		}
	}
	return cmd.Start()
}

// back takes the thread out of a group of version 1 again.
func (h Home) back() {
	for _, base := range h.bases {
		_ = write(filepath.Join(base, "tasks"), "0") // where it stays, it is one thread too many there
	}
}

// Close lets go of the group, which stays.
func (g *Group) Close() error {
	if g == nil || g.fd == nil {
		return nil
	}
	return g.fd.Close()
}

// removeTime is how long the processes of a group may take to end.
const removeTime = 10 * time.Second

// Remove ends what is in the group of this name and removes it, if there is one.
func (h Home) Remove(name string) error {
	for _, dir := range h.dirs(name) {
		if err := remove(dir); err != nil {
			return fmt.Errorf("remove control group: %w", err)
		}
		_ = unix.Rmdir(filepath.Dir(dir)) // our folder, unless it holds others
	}
	return nil
}

func remove(dir string) error {
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		err := unix.Rmdir(dir)
		switch {
		case err == nil || errors.Is(err, unix.ENOENT):
			return nil
		case !errors.Is(err, unix.EBUSY) || time.Since(began) > removeTime:
			return fmt.Errorf("%s: %w", dir, err)
		}
		kill(dir)
	}
}

// kill ends the processes of a group: at once with version 2, else one after the other.
func kill(dir string) {
	if write(filepath.Join(dir, "cgroup.kill"), "1") == nil {
		return
	}
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return
	}
	for line := range strings.FieldsSeq(string(b)) {
		var pid int
		if _, err := fmt.Sscan(line, &pid); err == nil && pid > 0 && pid != os.Getpid() {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// Names lists our groups whose names begin with prefix.
func (h Home) Names(prefix string) []string {
	var out []string
	for _, parent := range h.dirs("") {
		entries, err := os.ReadDir(parent)
		if err != nil {
			continue // there are none
		}
		for _, e := range entries {
			if e.IsDir() && strings.HasPrefix(e.Name(), prefix) && !slices.Contains(out, e.Name()) {
				out = append(out, e.Name())
			}
		}
	}
	return out
}

// write changes a file of the kernel's, which must exist.
func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
