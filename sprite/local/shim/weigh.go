package shim

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// weight is what the init says of the memory of its Sprite.
type weight struct {
	Bytes  int64 `json:"bytes"`
	Killed int   `json:"killed,omitempty"` // the pid of the process that had to go
}

// weigh adds up the memory of the Sprite's processes; above the limit the biggest of the commands is killed.
func (m *machine) weigh(limit int64) (weight, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.link.send(order{Op: "weigh", Limit: limit}); err != nil {
		return weight{}, err
	}
	var a answer
	_, err := m.link.receive(&a)
	return a.Weight, err
}

// supervisors are the init's children that no shortage of memory may end.
var supervisors struct {
	sync.Mutex
	pids map[int]bool
}

// supervising notes the pid that fork returns, before it can be reaped.
func supervising(fork func() (int, error)) error {
	supervisors.Lock()
	defer supervisors.Unlock()
	pid, err := fork()
	if err == nil {
		if supervisors.pids == nil {
			supervisors.pids = map[int]bool{}
		}
		supervisors.pids[pid] = true
	}
	return err
}

// reapChild reaps one ended child without waiting for any.
func reapChild() (int, error) {
	supervisors.Lock()
	defer supervisors.Unlock()
	pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
	delete(supervisors.pids, pid)
	return pid, err
}

// weighAll is the init's part of weigh. What processes share counts for each of them at first, which costs next to nothing to find out;
// only if that is too much, they are looked at closely. Pids are the Sprite's own, so that a mistake hits nobody else.
func weighAll(isolation Isolation, limit int64) weight {
	rough := map[int]int64{}
	var w weight
	for _, pid := range append(others(isolation), os.Getpid()) {
		rough[pid] = resident(pid)
		w.Bytes += rough[pid]
	}
	if w.Bytes <= limit {
		return w
	}
	w.Bytes = 0
	supervisors.Lock()
	defer supervisors.Unlock()
	biggest, most := 0, int64(0)
	for pid, bytes := range rough {
		own := proportional(pid, bytes)
		w.Bytes += own
		if own > most && pid != os.Getpid() && !supervisors.pids[pid] {
			biggest, most = pid, own
		}
	}
	if w.Bytes > limit && biggest > 0 {
		_ = unix.Kill(biggest, unix.SIGKILL)
		w.Killed = biggest
	}
	return w
}

// resident is a process's memory, that which it shares included; 0 if it is gone.
func resident(pid int) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// proportional is a process's memory with its part of what it shares, and what is swapped out. A process that may not be looked at closely
// keeps its rough weight.
func proportional(pid int, rough int64) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return rough
	}
	sum := int64(0)
	for line := range bytes.Lines(b) {
		name, value, _ := strings.Cut(string(line), ":")
		if name != "Pss" && name != "SwapPss" {
			continue
		}
		var kb int64
		if _, err := fmt.Sscan(value, &kb); err == nil {
			sum += kb << 10
		}
	}
	return sum
}
