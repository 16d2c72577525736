package shim

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// children adds the processes below pid to seen, asking the kernel for each one's children. That is quick enough for a process that hops
// from child to child, however many others the machine has.
func children(pid int, seen map[int]bool) {
	tasks := "/proc/" + strconv.Itoa(pid) + "/task/"
	for _, thread := range names(tasks) {
		for _, child := range listed(tasks + thread) {
			if !seen[child] {
				seen[child] = true
				children(child, seen)
			}
		}
	}
}

// listed are the children of a thread; none if it has ended.
func listed(thread string) []int {
	b, err := os.ReadFile(thread + "/children")
	if err != nil {
		return nil
	}
	return pids(b)
}

// pids are the numbers in a list of children, each of which a space ends. What has none has been cut off and is another number.
func pids(list []byte) []int {
	var out []int
	whole := list[:bytes.LastIndexByte(list, ' ')+1]
	for field := range strings.FieldsSeq(string(whole)) {
		if child, err := strconv.Atoi(field); err == nil {
			out = append(out, child)
		}
	}
	return out
}

// tellsChildren says whether the kernel lists children (CONFIG_PROC_CHILDREN).
func tellsChildren() bool {
	_, err := os.Stat("/proc/thread-self/children")
	return err == nil
}
