package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/agent-on-demand/aod/store"
)

// stagingPattern names the folders in a data directory where backups are put together
// and taken apart. One that was left by a process that was killed is removed by the next.
const stagingPattern = ".staging-*"

// Backup writes everything that the data directory's database has, as it is at one
// moment, and its key file, to w. What it writes has been checked: every page, every
// reference, and that the keys open it. A server may be running, and is held up by
// nothing. The disks of Sprites are not in it.
func Backup(ctx context.Context, c Config, w io.Writer) (m Manifest, err error) {
	if err := c.complete(); err != nil {
		return m, err
	}
	if _, err := os.Stat(filepath.Join(c.DataDir, databaseName)); errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("there is no database in %s: choose another --data-dir", c.DataDir)
	}
	unlock, err := c.lockKeys()
	if err != nil {
		return m, err
	}
	defer unlock()
	dir, remove, err := c.staging()
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if m, err = c.save(ctx, dir); err != nil {
		return m, err
	}
	if err := m.pack(w, dir); err != nil {
		return m, fmt.Errorf("write the backup: %w", err)
	}
	return m, nil
}

// staging makes a folder in the data directory, which has room for a database and is for
// its owner only.
func (c Config) staging() (dir string, remove func() error, err error) {
	left, err := filepath.Glob(filepath.Join(c.DataDir, stagingPattern))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err == nil {
		dir, err = os.MkdirTemp(c.DataDir, stagingPattern)
	}
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for the backup: %w", err)
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}

// save copies what a backup has into a folder, and describes it.
func (c Config) save(ctx context.Context, dir string) (m Manifest, err error) {
	database := filepath.Join(dir, databaseName)
	m = Manifest{Format: manifestFormat, Version: c.Version, CreatedAt: time.Now().UTC().Truncate(time.Second), Key: keyGiven}
	if err := store.Snapshot(ctx, filepath.Join(c.DataDir, databaseName), database); err != nil {
		return m, err
	}
	names := []string{databaseName}
	if c.EncryptionKeys.Reveal() == "" {
		m.Key = keyIncluded
		text, err := os.ReadFile(filepath.Join(c.DataDir, keyName))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, keyName), text, 0o600)
		}
		if err != nil {
			return m, fmt.Errorf("copy the encryption key: %w", err)
		}
		names = append(names, keyName)
	}
	about, err := store.Describe(ctx, database)
	if err == nil {
		err = c.opens(ctx, dir)
	}
	if err != nil {
		return m, fmt.Errorf("the copy that was made is of no use: %w", err)
	}
	m.Schema, m.Deployment, m.Sessions, m.Rows = about.Schema, about.Deployment, about.Sessions, about.Rows
	for _, name := range names {
		file, err := measure(dir, name)
		if err != nil {
			return m, fmt.Errorf("measure the backup: %w", err)
		}
		m.Files = append(m.Files, file)
	}
	return m, nil
}

// opens makes sure that the keys open every value of the database in a folder: those of
// the configuration, or of the folder's own key file.
func (c Config) opens(ctx context.Context, dir string) error {
	keys, err := c.keyring(dir)
	if err != nil {
		return err
	}
	return store.CheckSealed(ctx, filepath.Join(dir, databaseName), keys)
}
