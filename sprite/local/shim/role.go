package shim

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The fixed argv[0] of every role. No ordinary start of a binary uses these names.
const (
	roleShim       = "aod-shim"
	roleInit       = "aod-init"
	rolePID1       = "aod-pid1"
	roleSupervisor = "aod-supervisor"
)

// init takes over a process that was started for a role before main, and before most other packages, have done anything.
func init() {
	if len(os.Args) == 0 {
		return
	}
	var run func() error
	switch os.Args[0] {
	case roleShim:
		run = runShim
	case roleInit:
		run = runInit
	case rolePID1:
		run = runPID1
	case roleSupervisor:
		run = runSupervisor
	default:
		return
	}
	code := 0
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
		code = 1
	}
	// Roles have nothing to flush, and exit hooks of the host binary are none of their business.
	unix.Exit(code)
}
