//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// serverCommands are none but the one that people look for, since Sprites need Linux.
func serverCommands() []*cobra.Command {
	return []*cobra.Command{{
		Use:                "serve",
		Short:              "Run the server, on Linux",
		DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("the server needs Linux; from here, use one that runs there: set AOD_API_URL and AOD_API_TOKEN")
		},
	}}
}
