package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/agent-on-demand/aod/store"
)

// Restored says what Restore has done.
type Restored struct {
	Manifest   Manifest
	Deployment string // the new one
	Aside      string // the folder with what was there before, empty if nothing was
}

// restoringName is a file that is in the data directory for as long as a restore puts its
// files in place. Where it has been left, nothing is opened.
const restoringName = "restoring"

// Restore puts what a backup has into the data directory, which must have nothing but, if
// moveAside, what may be moved aside. Nothing is put in place before all of the backup has
// been checked; no server may be running.
//
// What is restored is a deployment of its own, with a new name: Sprites belong to the one
// that was saved, which may have gone on. Its sessions can be read and take no prompts;
// those that were active have failed.
func Restore(ctx context.Context, c Config, r io.Reader, moveAside bool) (done Restored, err error) {
	if err := c.complete(); err != nil {
		return done, err
	}
	unlock, err := lockFile(filepath.Join(c.DataDir, "lock"), "a server is using "+c.DataDir+": stop it, or choose another --data-dir")
	if err != nil {
		return done, err
	}
	defer unlock()
	present, err := c.present()
	if err != nil {
		return done, err
	}
	if len(present) > 0 && !moveAside {
		return done, fmt.Errorf("%s is not empty, it has %s: choose another --data-dir, or move its database and key aside with --force", c.DataDir, strings.Join(present, ", "))
	}
	unlockKeys, err := c.lockKeys()
	if err != nil {
		return done, err
	}
	defer unlockKeys()
	dir, remove, err := c.staging()
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if done.Manifest, err = unpack(r, dir); err != nil {
		return done, err
	}
	if done.Deployment, err = c.prepare(ctx, dir, done.Manifest); err != nil {
		return done, err
	}
	done.Aside, err = c.putInPlace(dir)
	return done, err
}

// passing are the files of a data directory that say nothing about whether it is in use.
var passing = []string{"lock", "key.lock", "runtimes"}

// present lists what the data directory has, but for what passes.
func (c Config) present() (names []string, err error) {
	entries, err := os.ReadDir(c.DataDir)
	if err != nil {
		return nil, fmt.Errorf("look into the data directory: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if staging, _ := filepath.Match(stagingPattern, name); !staging && !slices.Contains(passing, name) && name != "lost+found" {
			names = append(names, name)
		}
	}
	return names, nil
}

// prepare checks the unpacked database, brings it up to date and makes it a deployment of
// its own.
func (c Config) prepare(ctx context.Context, dir string, m Manifest) (deployment string, err error) {
	if newest := store.SchemaVersion(); m.Schema > newest {
		return "", fmt.Errorf("the backup has schema version %d, made by aod %s, and this binary knows up to %d: use that aod, or a newer one", m.Schema, m.Version, newest)
	}
	if !m.KeyIncluded() && c.EncryptionKeys.Reveal() == "" {
		return "", errors.New("the backup has no encryption key: set AOD_ENCRYPTION_KEY to the one of the server that was saved")
	}
	database := filepath.Join(dir, databaseName)
	about, err := store.Describe(ctx, database)
	if err != nil {
		return "", fmt.Errorf("the backup is damaged: %w", err)
	}
	if about.Schema != m.Schema || about.Deployment != m.Deployment {
		return "", errors.New("the backup has been changed: its database is not the one of its manifest")
	}
	if err := c.opens(ctx, dir); err != nil {
		return "", err
	}
	staged := c
	staged.DataDir = dir
	err = withStore(ctx, staged, func(st *store.Store) error {
		if err := st.Depart(ctx); err != nil {
			return err
		}
		deployment = st.Deployment()
		return nil
	})
	if _, missed := os.Lstat(database + "-wal"); err == nil && missed == nil {
		err = errors.New("SQLite has kept changes apart from the database")
	}
	if err != nil {
		return "", fmt.Errorf("prepare the restored database: %w", err)
	}
	return deployment, nil
}

// replaced are the files that a restore puts in place or must not leave beside them.
var replaced = []string{databaseName, databaseName + "-wal", databaseName + "-shm", keyName}

// putInPlace moves the files of a folder into the data directory. A server does not start
// before all of them are there.
func (c Config) putInPlace(dir string) (aside string, err error) {
	mark := filepath.Join(c.DataDir, restoringName)
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return "", fmt.Errorf("begin to put the backup in place: %w", err)
	}
	if err := store.SyncDir(c.DataDir); err != nil {
		return "", err
	}
	if aside, err = c.moveAside(); err != nil {
		return aside, fmt.Errorf("move the old database aside: %w", err)
	}
	for _, name := range []string{keyName, databaseName} {
		err := store.Give(filepath.Join(dir, name), c.DataDir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the key is the operator's
		}
		if err == nil {
			err = os.Rename(filepath.Join(dir, name), filepath.Join(c.DataDir, name))
		}
		if err != nil {
			return aside, fmt.Errorf("put the backup in place: %w", err)
		}
	}
	return aside, errors.Join(store.SyncDir(c.DataDir), os.Remove(mark), store.SyncDir(c.DataDir))
}

// moveAside moves what would be replaced into a folder of its own, if there is anything.
func (c Config) moveAside() (aside string, err error) {
	for _, name := range replaced {
		old := filepath.Join(c.DataDir, name)
		if _, err := os.Lstat(old); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if aside == "" {
			if aside, err = os.MkdirTemp(c.DataDir, "before-restore-"+time.Now().UTC().Format("20060102T150405Z")+"-*"); err != nil {
				return "", err
			}
			if err := store.Give(aside, c.DataDir); err != nil {
				return aside, err
			}
		}
		if err := os.Rename(old, filepath.Join(aside, name)); err != nil {
			return aside, err
		}
	}
	return aside, nil
}

// refuseHalfRestored is for what opens the database: a restore that was cut has left the
// old and the new mixed.
func (c Config) refuseHalfRestored() error {
	if _, err := os.Lstat(filepath.Join(c.DataDir, restoringName)); err == nil {
		return fmt.Errorf("a restore into %s was cut before its end: give it again, with --force", c.DataDir)
	}
	return nil
}
