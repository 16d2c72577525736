package shim

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// killDescendants kills everything below this process. What is killed has no more children, and those it had come up to this process,
// which is quick to see them; whoever slips through is caught when those that died are reaped.
func killDescendants() {
	killed := map[int]bool{}
	for fresh := true; fresh; {
		killAdopted(killed)
		fresh = kill(descendants(), killed)
	}
}

// killAdopted kills this process's children for as long as new ones come up. Whoever hops from child to child comes up with every hop,
// always to the first thread, so reading one open file is enough to be quicker.
func killAdopted(killed map[int]bool) {
	f, err := os.Open("/proc/self/task/" + strconv.Itoa(os.Getpid()) + "/children")
	if err != nil {
		return // the kernel does not tell
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	for fresh := true; fresh; {
		n, _ := f.ReadAt(buf, 0)
		fresh = kill(pids(buf[:n]), killed)
	}
}

// kill kills processes, and says whether it has met new ones. The kernel kills a group at a stroke, its members' newest children too. What is
// below this process has left its session, so a group that is not this process's own has nobody else in it.
func kill(pids []int, killed map[int]bool) (fresh bool) {
	for _, pid := range pids {
		if killed[pid] {
			continue
		}
		killed[pid], fresh = true, true
		if group, err := syscall.Getpgid(pid); err == nil && group != syscall.Getpgrp() {
			_ = syscall.Kill(-group, syscall.SIGKILL)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return fresh
}

// descendants lists the processes below this one. The subreaper keeps them below it, whatever they do.
func descendants() []int {
	if tellsChildren() {
		seen := map[int]bool{}
		children(os.Getpid(), seen)
		return slices.Collect(maps.Keys(seen))
	}
	parents := map[int]int{}
	for _, name := range names("/proc") {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if parent, ok := parentOf(pid); ok {
			parents[pid] = parent
		}
	}
	me := os.Getpid()
	var out []int
	for pid := range parents {
		for p := pid; p > 1; p = parents[p] {
			if parents[p] == me {
				out = append(out, pid)
				break
			}
		}
	}
	return out
}

// parentOf reads a process's parent. Zombies count: threads of theirs may live on.
func parentOf(pid int) (parent int, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	s := string(b)
	fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil
}
