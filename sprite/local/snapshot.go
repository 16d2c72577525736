package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/disk"
	"github.com/agent-on-demand/aod/sprite/local/shim"
)

const (
	// maxSnapshots bounds what a host keeps, together with snapshotsShare: one part in so many of the disk that Sprites may use.
	maxSnapshots   = 32
	snapshotsShare = 4
	// quietTime is how long a Sprite that is to be kept may take to end what runs in it.
	quietTime = time.Second
	// tendTime is how often a host looks whether its snapshots are in the way.
	tendTime = 10 * time.Second
)

// CreateFrom makes a Sprite with the files of a snapshot. It answers false, and there is no Sprite then, where it has none or none that can
// be used, which is removed.
func (h *Host) CreateFrom(ctx context.Context, name string, of Snapshot, labels ...string) (bool, error) {
	if h.opts.Isolation == None {
		return false, nil // its programs know their folder by its path
	}
	if !validName.MatchString(name) {
		return false, badRequest("not the name of a sprite")
	}
	if err := errors.Join(checkLabels(labels), h.prepare(ctx)); err != nil {
		return false, err
	}
	ground, err := h.ground()
	if err != nil {
		return false, err
	}
	id := of.id(ground)
	found, release, err := h.kept.open(id)
	if err == nil {
		ready, _ := h.spares.take(ctx, found.folder)
		_, err = h.createWith(ctx, name, labels, ready.base, func(r *record) error { return h.restore(ctx, found, ready, r) })
		if ready.let != nil {
			err = errors.Join(err, ready.remove())
		}
		release()
	}
	switch {
	case err == nil:
		h.stock(found.folder)
		return true, nil
	case errors.Is(err, errNoSnapshot):
		return false, nil
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	}
	if there, lerr := h.load(name); !errors.Is(lerr, errNoSprite) {
		return false, errors.Join(err, lerr, fmt.Errorf("sprite %s is there", there.Name))
	}
	var full *apiError
	if !errors.As(err, &full) {
		h.log.Warn("a snapshot cannot be used", "environment", of.Environment, "version", of.Version, "error", err)
		if err := h.kept.drop(func(s snapshot) bool { return s.folder == found.folder }); err != nil {
			h.log.Warn("cannot remove a snapshot", "error", err)
		}
	}
	return false, nil
}

// id is that of the snapshot on a machine.
func (s Snapshot) id(ground string) string {
	sum := sha256.Sum256([]byte(s.Key + "\n" + ground))
	return hex.EncodeToString(sum[:20])
}

// restore fills the folder of a new Sprite, which nothing runs in yet. Its root is a copy; its layers begin empty above those that are kept.
func (h *Host) restore(ctx context.Context, from snapshot, ready spare, r *record) error {
	r.Snapshot = from.folder
	if err := h.save(*r); err != nil {
		return err
	}
	dir := h.dir(r.Name)
	if err := os.Remove(shim.Root(dir)); err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	bytes := ready.bytes
	if ready.dir != "" {
		if err := os.Rename(shim.Root(ready.dir), shim.Root(dir)); err != nil {
			return fmt.Errorf("restore snapshot: %w", err)
		}
	} else {
		ctx, done := h.errand(ctx, r.Name)
		defer done()
		var err error
		if bytes, err = h.copyRoot(ctx, from, dir, r.Base, h.opts.Disk); err != nil {
			return err
		}
	}
	return h.wrote(r.Name, bytes)
}

// copyRoot copies the root of a snapshot to a folder, for a Sprite with those ids, and answers what that takes of the disk.
func (h *Host) copyRoot(ctx context.Context, from snapshot, dir string, base int, left int64) (int64, error) {
	c := &copier{ctx: ctx, shift: base, left: left}
	if err := c.trees(h.kept.path(from.folder), dir, shim.RootTree); err != nil {
		return 0, fmt.Errorf("restore snapshot: %w", err)
	}
	if c.made != from.Entries || c.size != from.Size {
		return 0, fmt.Errorf("%w: %d entries with %d bytes instead of %d with %d", errDamaged, c.made, c.size, from.Entries, from.Size)
	}
	return c.taken, nil
}

// Keep makes a snapshot of a Sprite's files, without those that are below one of the paths of except. Nothing may run in the Sprite. The
// snapshot can be used some time after Keep has returned.
func (h *Host) Keep(ctx context.Context, name string, of Snapshot, except ...string) error {
	if h.opts.Isolation == None {
		return nil
	}
	_, release := h.gates.use(name)
	defer release()
	rec, err := h.load(name)
	if err != nil {
		return err
	}
	ground, err := h.ground()
	if err != nil {
		return err
	}
	if rec.Snapshot != "" {
		return errors.New("the sprite was made of a snapshot itself")
	}
	if rec.Ground != ground {
		return errors.New("the machine has changed since the sprite was made")
	}
	made := snapshot{Environment: of.Environment, Version: of.Version, Created: time.Now().UTC()}
	id := of.id(ground)
	if _, err := h.kept.find(id); err == nil {
		return nil
	}
	if err := h.quiet(ctx, name); err != nil {
		return err
	}
	left, err := h.spare()
	if err != nil {
		return err
	}
	draft, unlock, err := h.kept.draft()
	if err != nil {
		return err
	}
	ctx, done := h.errand(ctx, name)
	defer done()
	c := &copier{ctx: ctx, shift: -rec.Base, left: left, skip: func(path string) bool {
		return shim.Scratch(path) || shim.Volatile(path) || slices.ContainsFunc(except, func(e string) bool { return within("/"+path, shim.Root("/")+e) })
	}}
	for _, tree := range shim.Trees() {
		if err := c.trees(h.dir(name), draft, tree); err != nil {
			unlock()
			return errors.Join(err, removeTree(draft))
		}
		if tree == shim.RootTree {
			made.Entries, made.Size = c.made, c.size
		}
	}
	made.Bytes = c.taken
	h.work.Go(func() { // the disk is slow
		err := h.kept.add(draft, id, made)
		unlock()
		if err != nil {
			h.log.Info("a snapshot is not kept", "environment", of.Environment, "version", of.Version, "error", errors.Join(err, removeTree(draft)))
			return
		}
		h.log.Debug("snapshot", "environment", of.Environment, "version", of.Version, "size", disk.Text(made.Bytes), "took", time.Since(made.Created))
		h.quota.forget()
		h.bound(id)
		if folder, err := h.kept.find(id); err == nil {
			h.stock(folder)
		}
	})
	return nil
}

// quiet refuses a Sprite in which something runs: it would be missing where the files are restored.
func (h *Host) quiet(ctx context.Context, name string) error {
	late := time.After(quietTime)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		running, err := shim.Sessions(ctx, h.dir(name))
		if err != nil {
			return fmt.Errorf("look for processes: %w", err)
		}
		if len(running) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-late:
			return fmt.Errorf("something runs in it: %.100q", running[0].Argv)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// spare is how big a snapshot may be: half of what is left for Sprites, and no more than all snapshots may be.
func (h *Host) spare() (int64, error) {
	if err := h.room(0); err != nil {
		return 0, err
	}
	most, err := h.share()
	if err != nil {
		return 0, err
	}
	space, err := disk.SpaceOf(h.opts.Dir)
	if err != nil {
		return 0, err
	}
	left := space.Free - 2*space.Reserve()
	if h.opts.AllDisk > 0 {
		sum, err := h.sum()
		if err != nil {
			return 0, err
		}
		left = min(left, h.opts.AllDisk-sum)
	}
	return min(left/2, most), nil
}

// share is how many bytes all snapshots may have together.
func (h *Host) share() (int64, error) {
	if h.opts.AllDisk > 0 {
		return h.opts.AllDisk / snapshotsShare, nil
	}
	space, err := disk.SpaceOf(h.opts.Dir)
	return space.Total / snapshotsShare, err
}

// bound removes the snapshots that were not used for longest until they are within their bounds. The newest stays.
func (h *Host) bound(newest string) {
	most, err := h.share()
	if err != nil {
		h.log.Warn("cannot bound the snapshots", "error", err)
		return
	}
	for {
		all, err := h.kept.all()
		bytes := int64(0)
		for _, s := range all {
			bytes += s.Bytes
		}
		if err != nil || len(all) <= 1 || len(all) <= maxSnapshots && bytes <= most || !h.evictBut(newest) {
			return
		}
	}
}

// evict removes the snapshot that was not used for longest, and says whether there was one.
func (h *Host) evict() bool { return h.evictBut("") }

func (h *Host) evictBut(id string) bool {
	h.kept.mu.Lock()
	defer h.kept.mu.Unlock()
	all, err := h.kept.all()
	for _, s := range all {
		if id != "" && strings.HasPrefix(s.folder, id+".") {
			continue
		}
		removed, rerr := h.kept.remove(s.folder)
		if removed && rerr == nil {
			h.dropSpares()
			h.quota.forget()
			h.log.Info("a snapshot is removed to make room", "environment", s.Environment, "version", s.Version, "size", disk.Text(s.Bytes))
			return true
		}
		err = errors.Join(err, rerr)
	}
	if err != nil {
		h.log.Warn("cannot remove a snapshot", "error", err)
	}
	return false
}

// tendSnapshots removes snapshots while the file system runs short: before Sprites are stopped, which know nothing of them.
func (h *Host) tendSnapshots() {
	tick := time.NewTicker(tendTime)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-h.ctx.Done():
			return
		}
		if err := h.kept.drop(func(s snapshot) bool { return s.retired }); err != nil {
			h.log.Warn("cannot remove a snapshot", "error", err)
		}
		h.dropSpares()
		for h.ctx.Err() == nil {
			space, err := disk.SpaceOf(h.opts.Dir)
			if err != nil || space.Short(space.Reserve()) == "" || !h.evict() {
				break
			}
		}
	}
}

// layeredOver says whether a Sprite needs a snapshot. One that cannot be read may.
func (h *Host) layeredOver(folder string) bool {
	all, err := h.all()
	return err != nil || slices.ContainsFunc(all, func(r record) bool { return r.Snapshot == folder })
}

// dropSpares removes the copies of snapshots that are not used any more.
func (h *Host) dropSpares() {
	err := h.spares.drop(func(s spare) bool {
		kept, err := h.kept.get(s.of)
		return err != nil || kept.retired
	})
	if err != nil {
		h.log.Warn("cannot remove a copy of a snapshot", "error", err)
	}
}

// DropSnapshots removes those of an environment.
func (h *Host) DropSnapshots(environment string) error {
	defer h.quota.forget()
	defer h.dropSpares()
	return h.kept.drop(func(s snapshot) bool { return s.Environment == environment })
}

// SnapshotEnvironments lists the environments that have snapshots.
func (h *Host) SnapshotEnvironments() ([]string, error) {
	all, err := h.kept.all()
	var out []string
	for _, s := range all {
		if !s.retired && !slices.Contains(out, s.Environment) {
			out = append(out, s.Environment)
		}
	}
	return out, err
}
