package shim

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// The host ids that Sprites have: IDs for each, from FirstID on and not beyond LastID.
const (
	FirstID = 0x70000000
	LastID  = 0xeffeffff
)

// ManyIDs says whether this process can give every Sprite user ids of its own. Root can, unless it is the root of a container that has but
// a few ids; whoever cannot is all users of its Sprites.
var ManyIDs = sync.OnceValue(func() bool {
	if os.Geteuid() != 0 {
		return false
	}
	for _, name := range []string{"uid_map", "gid_map"} {
		b, err := os.ReadFile("/proc/self/" + name)
		if err != nil || !covers(string(b), FirstID, LastID) {
			return false
		}
	}
	return true
})

// covers says whether one line of an id map holds all ids from first to last.
func covers(idMap string, first, last uint64) bool {
	for line := range strings.Lines(idMap) {
		var inside, outside, count uint64
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err == nil && inside <= first && last < inside+count {
			return true
		}
	}
	return false
}
