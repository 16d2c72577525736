//go:build linux

package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"
)

// inForce is a setting as the server would take it.
type inForce struct {
	Name   string  `json:"name"`
	Value  *string `json:"value"` // null where none is given; redacted if it is a secret
	From   string  `json:"from"`
	Secret bool    `json:"secret"`
	means  string  // in words, where there is no value
}

func configCommand(f flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the configuration that aod serve would have, and where each value comes from",
		Long: `Config reads flags and variables as aod serve does, and refuses what that would refuse.
It starts nothing and opens nothing. Each value comes from a flag, a variable, the file
that a variable with _FILE at its end names, or the default. Secrets are redacted.

What each setting means says: aod serve --help`,
		Args: cobra.NoArgs,
	}
	output := formatFlag(cmd)
	f = f.with(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config, err := configure(f)
		if err != nil {
			return err
		}
		dir, err := filepath.Abs(config.DataDir)
		if err != nil {
			return err
		}
		all := effective(newEnvironment(f), dir)
		return output.print(cmd.OutOrStdout(), all, func(w io.Writer) {
			fmt.Fprintln(w, "SETTING\tFROM\tVALUE")
			for _, s := range all {
				value := "(" + s.means + ")"
				if s.Value != nil {
					value = *s.Value
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, s.From, value)
			}
		})
	}
	return cmd
}

// effective are all settings, with the data directory as it is found.
func effective(e *environment, dir string) (all []inForce) {
	for _, s := range settings {
		value, from := e.find(s.name)
		switch {
		case s.name == dataDir:
			value = dir
		case s.secret && value != "":
			value = "[redacted]"
		}
		line := inForce{Name: s.name, From: from, Secret: s.secret, means: s.means}
		if value != "" {
			line.Value = &value
		}
		all = append(all, line)
	}
	return all
}
