//go:build linux

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/server"
)

func restoreCommand(f flags) *cobra.Command {
	force := false
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup into an empty data directory",
		Long: `Restore reads a file that aod backup has made, or standard input for -, checks all of it,
and only then puts the database and the key into the data directory, which must be empty,
and used by no server. A backup of a newer schema than this binary knows is refused. With
--force the database and the key that are there are moved into a folder beside them;
nothing is deleted. Do it as the user of the server, or as root: the files then belong to
whom the data directory belongs to.

What is restored is a deployment of its own, since the one that was saved may have gone
on, here or elsewhere. Agents, environments, users and tokens are what they were. Sessions
can be read, to the last row that was saved, and take no more prompts: their Sprites are
not in a backup. Those that were active have failed, and say why in their output.

No Sprite of the deployment that was saved is touched or used, whether it belongs to a
session of the backup or to a later one. On the Sprites service, and on this machine after
--force, they stay until you destroy them:

  aod sprites list --deployment NAME

To go on with the Sprites too, do not restore: stop the server and copy the data directory
as a whole. Such a copy is the same deployment.`,
		Example: `  aod restore /var/backups/aod-2026-11-27.tar --data-dir /var/lib/aod
  zstdcat aod.tar.zst | aod restore -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := configure(f)
			if err != nil {
				return err
			}
			var from io.Reader = cmd.InOrStdin()
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer file.Close()
				from = file
			}
			done, err := server.Restore(cmd.Context(), config, from, force)
			if err != nil {
				return err
			}
			describeRestored(cmd.OutOrStdout(), config.DataDir, done)
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "move the database and the key that are there aside")
	return cmd
}

func describeRestored(w io.Writer, dir string, done server.Restored) {
	m := done.Manifest
	fmt.Fprintf(w, "%s has %d sessions and %d rows, as of %s\n", dir, m.Sessions, m.Rows, m.CreatedAt.Format("2006-01-02 15:04:05 MST"))
	fmt.Fprintf(w, "It is deployment %s. Sprites of the one that was saved are left alone: aod sprites list --deployment %s\n", done.Deployment, m.Deployment)
	if done.Aside != "" {
		fmt.Fprintln(w, "What was there before is in", done.Aside)
	}
	if !m.KeyIncluded() {
		fmt.Fprintln(w, "Its key is that of AOD_ENCRYPTION_KEY, with which the server has to be started, too.")
	}
}
