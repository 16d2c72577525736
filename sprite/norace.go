//go:build !race

package sprite

// serialize lets execs start side by side.
func serialize() (done func()) { return func() {} }
