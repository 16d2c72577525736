package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/server"
)

func doctorCommand(f flags) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check whether a server could do its work here, and say what would help",
		Long: `Doctor reads the database in the data directory, which it makes if there is none,
and runs one Sprite. Where something fails it says what, and which command would
help. It takes the settings of aod serve; a server may be running. The exit code
is 1 if a check fails.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := configure(f)
			if err != nil {
				return err
			}
			findings, err := server.Doctor(cmd.Context(), config)
			if err != nil {
				return err
			}
			failed := false
			for _, found := range findings {
				state, text := "ok", found.Text
				if found.Warning {
					state = "warning"
				}
				if found.Err != nil {
					failed = true
					state, text = "failed", found.Err.Error()
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-10s %-7s %s\n", found.Check, state, text)
			}
			if failed {
				return errors.New("sessions cannot run here until that is put right")
			}
			return nil
		},
	}
}
