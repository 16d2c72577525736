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

// init takes over a process that was started for a role before main, and before most other packages have done anything. What this package
// imports is therefore part of the time that every command takes.
func init() {
	if len(os.Args) == 0 {
		return
	}
	switch os.Args[0] {
	case roleShim:
		go play(runShim) // while the rest of the binary gets ready, until Equip
	case roleInit:
		play(runInit)
	case rolePID1:
		play(runPID1)
	case roleSupervisor:
		play(runSupervisor)
	}
}

// play runs a role to the end of the process.
func play(run func() error) {
	code := 0
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
		code = 1
	}
	// Roles have nothing to flush, and exit hooks of the host binary are none of their business.
	unix.Exit(code)
}

// Equipment is what a shim works with that takes long to initialize, and that the processes inside have no use for.
type Equipment struct {
	// Carrier makes that of the Sprite. It tells what it refuses.
	Carrier func(cfg Config, denied func(text string)) (Carrier, error)
	// Tasks makes those of the Sprite. It calls over when the last one has ended.
	Tasks func(over func()) Tasks
}

var equipment = make(chan Equipment, 1)

// Equip says what shims work with. The package that knows calls it as it is initialized; in a shim the call does not return.
func Equip(e Equipment) {
	if len(os.Args) == 0 || os.Args[0] != roleShim {
		return
	}
	equipment <- e
	select {}
}
