//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/server"
)

// verdict is a finding as it is printed.
type verdict struct {
	Check string `json:"check"`
	State string `json:"state"` // ok, warning or failed
	Text  string `json:"text"`
}

func doctorCommand(f flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check whether a server could do its work here, and say what would help",
		Long: `Doctor looks for what would keep a server from its work, and says what would help:

  database    it can be read and is whole; it is made if there is none
  keys        there is one for every encrypted value, and none too many
  clock       it is not behind what the database has
  disk        how much is free, and how much of it Sprites may take
  isolation   what keeps Sprites apart from this machine
  sprites     one runs a command here, or the Sprites service takes the token
  time        that of the Sprites service, if it is used, is the same as here
  network, limits   what holds for Sprites here

It takes the settings of aod serve; a server may be running. The exit code is 1 if a
check fails; a warning is no failure.`,
		Args: cobra.NoArgs,
	}
	output := formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config, err := configure(f)
		if err != nil {
			return err
		}
		findings, err := server.Doctor(cmd.Context(), config)
		if err != nil {
			return err
		}
		verdicts, failed := judge(findings)
		err = output.print(cmd.OutOrStdout(), verdicts, func(w io.Writer) {
			for _, v := range verdicts {
				fmt.Fprintf(w, "%-10s %-7s %s\n", v.Check, v.State, v.Text)
			}
		})
		if err == nil && failed {
			err = errors.New("sessions cannot run here until that is put right")
		}
		return err
	}
	return cmd
}

func judge(findings []server.Finding) (all []verdict, failed bool) {
	for _, found := range findings {
		v := verdict{Check: found.Check, State: "ok", Text: found.Text}
		if found.Warning {
			v.State = "warning"
		}
		if found.Err != nil {
			failed = true
			v.State, v.Text = "failed", found.Err.Error()
		}
		all = append(all, v)
	}
	return all, failed
}
