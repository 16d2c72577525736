package shim

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// killDescendants kills everything below this process. It stops them all first, so that none can have children while others die;
// whoever slips through is caught when those that died are reaped.
func killDescendants() {
	stopped := map[int]bool{}
	for fresh := true; fresh; {
		// Whoever hops from child to child comes back to this process with every hop, and is caught by being quick.
		for stopChildren(stopped) {
		}
		fresh = stop(descendants(), stopped)
	}
	for pid := range stopped {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// stopChildren stops this process's own children and says whether it has met new ones.
func stopChildren(stopped map[int]bool) (fresh bool) {
	const tasks = "/proc/self/task/"
	for _, thread := range names(tasks) {
		fresh = stop(listed(tasks+thread), stopped) || fresh
	}
	return fresh
}

// stop stops processes, and says whether it has met new ones.
func stop(pids []int, stopped map[int]bool) (fresh bool) {
	for _, pid := range pids {
		if !stopped[pid] {
			stopped[pid], fresh = true, true
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
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
