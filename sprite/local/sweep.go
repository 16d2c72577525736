package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/agent-on-demand/aod/sprite/local/shim"
)

// sweep removes what earlier hosts did not get to: folders of Sprites that never came to be or are no more, drafts of the skeleton, and
// control groups without a shim.
func (h *Host) sweep(ctx context.Context) error {
	if err := h.discard(); err != nil {
		return err
	}
	if err := shim.SweepSkeleton(h.opts.Skeleton); err != nil {
		h.log.Warn("cannot remove a draft of the sprites' skeleton", "error", err)
	}
	if err := shim.SweepGroups(h.opts.Dir); err != nil {
		h.log.Warn("cannot remove the control groups of dead sprites", "error", err)
	}
	if err := h.kept.clean(); err != nil {
		h.log.Warn("cannot remove a draft of a snapshot", "error", err)
	}
	if err := h.cleanSpares(); err != nil {
		h.log.Warn("cannot remove a copy of a snapshot", "error", err)
	}
	trash := filepath.Join(h.opts.Dir, trashDir)
	entries, err := os.ReadDir(trash)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read trash: %w", err)
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := removeTree(filepath.Join(trash, e.Name())); err != nil {
			h.log.Warn("cannot empty the sprites' trash", "entry", e.Name(), "error", err)
		}
	}
	return nil
}

// discard moves folders without a record to the trash. Sprites are founded under the same lock, so none is just being made.
func (h *Host) discard() error {
	unlock, err := h.lock()
	if err != nil {
		return err
	}
	defer unlock()
	entries, err := os.ReadDir(h.opts.Dir)
	if err != nil {
		return fmt.Errorf("list sprites: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || !validName.MatchString(e.Name()) {
			continue
		}
		if _, err := h.load(e.Name()); !errors.Is(err, errNoSprite) {
			continue
		}
		if err := os.MkdirAll(filepath.Join(h.opts.Dir, trashDir), 0o700); err != nil {
			return fmt.Errorf("make trash: %w", err)
		}
		if err := os.Rename(h.dir(e.Name()), filepath.Join(h.opts.Dir, trashDir, e.Name()+"."+rand.Text())); err != nil {
			return fmt.Errorf("remove what is left of sprite %s: %w", e.Name(), err)
		}
	}
	return nil
}
