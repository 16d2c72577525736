package shim

import (
	"os"
	"strconv"
	"strings"
)

// children adds the processes below pid to seen, asking the kernel for each one's children. That is quick enough for a process that hops
// from child to child, however many others the machine has.
func children(pid int, seen map[int]bool) {
	tasks := "/proc/" + strconv.Itoa(pid) + "/task/"
	for _, thread := range names(tasks) {
		b, err := os.ReadFile(tasks + thread + "/children")
		if err != nil {
			continue // it has ended
		}
		for field := range strings.FieldsSeq(string(b)) {
			child, err := strconv.Atoi(field)
			if err == nil && !seen[child] {
				seen[child] = true
				children(child, seen)
			}
		}
	}
}

// tellsChildren says whether the kernel lists children (CONFIG_PROC_CHILDREN).
func tellsChildren() bool {
	_, err := os.Stat("/proc/thread-self/children")
	return err == nil
}
