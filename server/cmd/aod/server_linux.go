package main

import "github.com/spf13/cobra"

// serverCommands are those of the server and of its data directory.
func serverCommands() []*cobra.Command {
	f := &flags{}
	all := []*cobra.Command{serveCommand(f), tokenCommand(f), userCommand(f), spritesCommand(f), doctorCommand(f)}
	for _, cmd := range all {
		f.add(cmd)
	}
	return all
}
