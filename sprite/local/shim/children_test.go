package shim

import (
	"slices"
	"testing"
)

// A list that did not fit must not make anybody kill a process whose number a child's begins with.
func TestChildThatIsCutOffIsNone(t *testing.T) {
	t.Parallel()
	for list, want := range map[string][]int{"": nil, "12": nil, "12 ": {12}, "12 345 ": {12, 345}, "12 345 6": {12, 345}} {
		if got := pids([]byte(list)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", list, got, want)
		}
	}
}
