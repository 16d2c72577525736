package main

import "github.com/spf13/cobra"

// serverCommands are those of the server and of its data directory.
func serverCommands() []*cobra.Command {
	f := newFlags()
	all := []*cobra.Command{
		serveCommand(f), configCommand(f), doctorCommand(f), tokenCommand(f), userCommand(f), spritesCommand(f),
		backupCommand(f), restoreCommand(f), keyCommand(f), healthCommand(f),
	}
	for _, cmd := range all {
		f.add(cmd)
	}
	return all
}
