package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/shim"
	"golang.org/x/sys/unix"
)

const (
	// startTime bounds the start of a shim, the building of the skeleton included.
	startTime = 2 * time.Minute
	// stopTime bounds the end of all processes of a Sprite.
	stopTime = 30 * time.Second

	skeletonDir = ".skeleton"
	trashDir    = ".trash"

	snapshotsDir = ".snapshots"
	sparesDir    = ".spares"
)

// create makes a Sprite and starts it once, so that what is wrong with this machine is known before anybody counts on the Sprite.
func (h *Host) create(ctx context.Context, name string, labels []string) (record, error) {
	return h.createWith(ctx, name, labels, 0, func(*record) error { return nil })
}

// createWith makes a Sprite whose files are what fill leaves in its folder, before it is started. Where base is not 0 it begins the
// Sprite's ids, which nobody else has.
func (h *Host) createWith(ctx context.Context, name string, labels []string, base int, fill func(*record) error) (record, error) {
	if err := h.room(0); err != nil {
		return record{}, err
	}
	if err := h.prepare(ctx); err != nil { // it is part of the machine
		return record{}, err
	}
	release := h.gates.own(name)
	r, err := h.found(name, labels, base)
	if err != nil {
		release()
		return record{}, err
	}
	err = fill(&r)
	release()
	if err == nil {
		err = h.warm(ctx, r)
	}
	if err != nil {
		return record{}, errors.Join(err, h.destroy(context.WithoutCancel(ctx), name))
	}
	if r.Isolation == None {
		h.log.Info("a sprite without isolation: its commands run as the server's user, unconfined", "sprite", name)
	}
	return r, nil
}

// found lays out the folder of a new Sprite under the lock that keeps ids unique.
func (h *Host) found(name string, labels []string, base int) (record, error) {
	unlock, err := h.lock()
	if err != nil {
		return record{}, err
	}
	defer unlock()
	if _, err := h.load(name); !errors.Is(err, errNoSprite) {
		if err == nil {
			err = errExists
		}
		return record{}, err
	}
	if err := removeTree(h.dir(name)); err != nil { // left by a create that was cut short
		return record{}, err
	}
	ground, err := h.ground()
	if err != nil {
		return record{}, err
	}
	now := time.Now().UTC()
	r := record{ID: "sprite-" + rand.Text(), Name: name, Labels: labels, Isolation: h.opts.Isolation, Ground: ground, Base: base, Created: now, Updated: now}
	if base == 0 && shim.ManyIDs() && r.Isolation == Namespaces {
		if r.Base, err = h.freeBase(); err != nil {
			return record{}, err
		}
	}
	if err := h.layOut(r); err != nil {
		return record{}, errors.Join(err, removeTree(h.dir(name)))
	}
	return r, nil
}

// layOut makes the folders. As root they belong to the Sprite's own ids, and its folder lets exactly those through.
func (h *Host) layOut(r record) error {
	dir := h.dir(r.Name)
	for _, d := range []string{dir, filepath.Join(dir, "root"), filepath.Join(dir, "ov")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return fmt.Errorf("make sprite folder: %w", err)
		}
		if r.Base == 0 {
			continue
		}
		if err := os.Chown(d, r.Base, r.Base); err != nil {
			return fmt.Errorf("make sprite folder: %w", err)
		}
	}
	mode := fs.FileMode(0o700)
	if r.Base != 0 {
		mode = 0o710
		if err := os.Chown(dir, 0, r.Base); err != nil {
			return fmt.Errorf("make sprite folder: %w", err)
		}
	}
	if err := os.Chmod(dir, mode); err != nil {
		return fmt.Errorf("make sprite folder: %w", err)
	}
	return h.save(r)
}

// freeBase finds ids that no Sprite of this host has. The caller holds the lock.
func (h *Host) freeBase() (int, error) {
	sprites, err := h.all()
	if err != nil {
		return 0, err
	}
	taken := map[int]bool{}
	for _, r := range sprites {
		taken[r.Base] = true
	}
	if err := h.reserved(taken); err != nil {
		return 0, err
	}
	for base := shim.FirstID; base < shim.LastID; base += shim.IDs {
		if !taken[base] {
			return base, nil
		}
	}
	return 0, errors.New("no ids are left for another sprite")
}

// lock serializes the founding of Sprites over all processes that share the folder.
func (h *Host) lock() (unlock func(), err error) {
	unlock, err = lockFile(filepath.Join(h.opts.Dir, ".lock"))
	if err != nil {
		return nil, fmt.Errorf("lock sprites folder: %w", err)
	}
	return unlock, nil
}

// lockFile waits until nobody else has the lock at path, in this process or another.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { unlocked(f) }, nil
}

// unlocked gives a lock up. Closing alone would leave it to a process that is just being started and has all files for a moment.
func unlocked(f *os.File) {
	_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
	_ = f.Close()
}

// warm makes sure that a shim serves the Sprite.
func (h *Host) warm(ctx context.Context, r record) error {
	return h.serve(ctx, r, func() error {
		_, err := shim.Sessions(ctx, h.dir(r.Name))
		return err
	})
}

// serve calls ask, which asks the Sprite's shim for something, and starts the shim if there is none.
func (h *Host) serve(ctx context.Context, r record, ask func() error) error {
	if err := h.suits(r); err != nil {
		return err
	}
	gt, release := h.gates.use(r.Name)
	defer release()
	err := ask()
	if !errors.Is(err, shim.ErrCold) {
		return err
	}
	gt.start.Lock()
	defer gt.start.Unlock()
	now, err := h.load(r.Name)
	if err != nil {
		return err
	}
	if now.ID != r.ID {
		return errNoSprite
	}
	if err := ask(); !errors.Is(err, shim.ErrCold) {
		return err // another call has started it meanwhile
	}
	if err := h.start(ctx, now); err != nil { // its policy may be another by now
		return err
	}
	return ask()
}

func (h *Host) start(ctx context.Context, r record) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, errors.New("the shim takes too long"))
	defer cancel()
	if err := h.prepare(ctx); err != nil {
		return err
	}
	cfg, err := h.config(r)
	if err != nil {
		return err
	}
	return h.starter.Start(ctx, cfg)
}

// destroy ends a Sprite: its processes first, then its existence, then its files.
func (h *Host) destroy(ctx context.Context, name string) error {
	resume := h.errands.interrupt(name)
	release := h.gates.own(name)
	defer release()
	resume() // whoever comes now comes after
	if _, err := h.load(name); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, stopTime, errors.New("its processes do not end"))
	defer cancel()
	let, err := shim.Stop(ctx, h.dir(name))
	if errors.Is(err, fs.ErrNotExist) {
		return errNoSprite // another process was first
	}
	if err != nil {
		return err
	}
	defer let()
	// A folder in the trash is no Sprite, whatever happens to this process before the last file is gone.
	if err := os.MkdirAll(filepath.Join(h.opts.Dir, trashDir), 0o700); err != nil {
		return fmt.Errorf("make trash: %w", err)
	}
	trash := filepath.Join(h.opts.Dir, trashDir, name+"."+rand.Text())
	err = os.Rename(h.dir(name), trash)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoSprite
	}
	if err != nil {
		return fmt.Errorf("remove sprite: %w", err)
	}
	return removeTree(trash)
}
