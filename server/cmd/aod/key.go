//go:build linux

package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/server"
	"github.com/agent-on-demand/aod/store"
)

func keyCommand(f flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "List, rotate and drop the keys that encrypt secrets",
		Long: `Secrets lie in the database encrypted, each with the id of its key. The keys are in the
file key of the data directory, or in AOD_ENCRYPTION_KEY: the first one encrypts, all
decrypt.

With the file, while the server runs:

  aod key rotate    makes a key, puts it first, and encrypts everything with it
  aod key drop      forgets the older keys, when nothing needs them any more

The server takes a changed file over at once. Both commands may be cut at any moment, by
a power failure too, and given again. After a drop, a page cursor that a client was given
before the rotation is refused.

With AOD_ENCRYPTION_KEY only you can change the keys:

  1. aod key generate, and put what it prints first: AOD_ENCRYPTION_KEY=NEW,OLD
  2. stop the server, run aod key rotate with this variable, and start it with the same
  3. take the old key out of the variable, and start the server anew

Backups keep the keys of their time.`,
	}
	cmd.AddCommand(keyListCommand(f), keyGenerateCommand(), keyRotateCommand(f), keyDropCommand(f))
	return cmd
}

func keyListCommand(f flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys by their ids, and how many values are encrypted with each",
		Args:  cobra.NoArgs,
	}
	output := formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config, err := configure(f)
		if err != nil {
			return err
		}
		keys, err := server.Keys(cmd.Context(), config)
		if err != nil {
			return err
		}
		return output.print(cmd.OutOrStdout(), keys, func(w io.Writer) {
			fmt.Fprintln(w, "ID\tSTATE\tVALUES")
			for _, k := range keys {
				state := "missing"
				switch {
				case k.Encrypts:
					state = "encrypts"
				case k.Held:
					state = "decrypts"
				}
				fmt.Fprintf(w, "%s\t%s\t%d\n", k.ID, state, k.Values)
			}
		})
	}
	return cmd
}

func keyGenerateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "generate",
		Short: "Print a new key for AOD_ENCRYPTION_KEY, and nothing else",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), store.NewKey().Reveal())
			return err
		},
	}
}

func keyRotateCommand(f flags) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Encrypt every secret with a new key",
		Long: `Rotate makes a key, puts it first in the key file and encrypts with it, a hundred values
at a time, whatever is encrypted with another one. The server may run. A rotation that
was cut is brought to its end, without another key. The older keys stay until aod key
drop. With AOD_ENCRYPTION_KEY it makes no key: everything is encrypted with the first one
there, while the server is stopped.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := configure(f)
			if err != nil {
				return err
			}
			done, err := server.RotateKeys(cmd.Context(), config)
			if err != nil {
				return err
			}
			what := "key"
			if done.Made {
				what = "new key"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d values were encrypted with the %s %s\n", done.Values, what, done.Key)
			return err
		},
	}
}

func keyDropCommand(f flags) *cobra.Command {
	return &cobra.Command{
		Use:   "drop",
		Short: "Forget every key but the one that encrypts, if nothing needs them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := configure(f)
			if err != nil {
				return err
			}
			dropped, err := server.DropKeys(cmd.Context(), config)
			if err != nil {
				return err
			}
			if len(dropped) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "there is no older key")
			}
			for _, id := range dropped {
				fmt.Fprintln(cmd.OutOrStdout(), "dropped", id)
			}
			return nil
		},
	}
}
