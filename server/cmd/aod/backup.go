//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/server"
	"github.com/agent-on-demand/aod/store"
)

func backupCommand(f flags) *cobra.Command {
	force := false
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Save the database and its key, while the server runs",
		Long: `Backup writes one file, for its owner only: the database as it is at one moment, the
encryption key, and a manifest. It may be made while the server runs, and holds it up in
nothing. What it has written it has checked: every page, every reference, and that the
key opens it. FILE appears when it is whole; - is standard output.

Keep it as you would keep the key: who has the file can read every secret in it. With
AOD_ENCRYPTION_KEY the key is yours and not in the file; keep it apart.

Not in it: the Sprites with their disks, so the files that agents have made, and the
programs of runtimes, which are installed again. See also: aod restore --help`,
		Example: `  aod backup /var/backups/aod-$(date +%F).tar
  aod backup - | zstd | ssh elsewhere 'cat > aod.tar.zst'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := configure(f)
			if err != nil {
				return err
			}
			if args[0] == "-" {
				m, err := server.Backup(cmd.Context(), config, cmd.OutOrStdout())
				if err != nil {
					return err
				}
				return describeBackup(cmd.ErrOrStderr(), "standard output", m)
			}
			m, err := backupTo(cmd.Context(), config, args[0], force)
			if err != nil {
				return err
			}
			return describeBackup(cmd.OutOrStdout(), args[0], m)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace FILE if it is there")
	return cmd
}

// backupTo writes a backup to a file that appears when it is whole.
func backupTo(ctx context.Context, c server.Config, path string, force bool) (m server.Manifest, err error) {
	taken := fmt.Errorf("%s is there already: choose another name, or replace it with --force", path)
	if _, err := os.Lstat(path); err == nil && !force {
		return m, taken
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".aod-backup-*") // 0600
	if err != nil {
		return m, err
	}
	defer func() {
		if removed := os.Remove(draft.Name()); !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
	}()
	m, err = server.Backup(ctx, c, draft)
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return m, err
	}
	if !force { // of two that write the same file at once, one is refused
		err := os.Link(draft.Name(), path)
		if errors.Is(err, fs.ErrExist) {
			return m, taken
		}
		if err == nil {
			return m, store.SyncDir(filepath.Dir(path))
		}
	}
	if err := os.Rename(draft.Name(), path); err != nil {
		return m, err
	}
	return m, store.SyncDir(filepath.Dir(path))
}

func describeBackup(w io.Writer, where string, m server.Manifest) error {
	var size int64
	for _, file := range m.Files {
		size += file.Size
	}
	fmt.Fprintf(w, "%s has deployment %s with %d sessions and %d rows: %s, checked\n", where, m.Deployment, m.Sessions, m.Rows, sizeText(size))
	if !m.KeyIncluded() {
		fmt.Fprintln(w, "Not in it: the encryption key, which is that of AOD_ENCRYPTION_KEY; without it the backup is of no use.")
	}
	_, err := fmt.Fprintln(w, "Not in it: the disks of Sprites.")
	return err
}
