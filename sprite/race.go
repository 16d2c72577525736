//go:build race

package sprite

import "sync"

var starting sync.Mutex

// serialize lets one exec start at a time. With every exec the SDK writes the
// same values to a global of the WebSocket library: harmless, but a data race by
// the letter, and one that would hide ours.
func serialize() (done func()) {
	starting.Lock()
	return starting.Unlock
}
