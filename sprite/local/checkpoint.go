package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/shim"
)

// maxComment bounds what a client notes on a checkpoint.
const maxComment = 4 << 10

// createCheckpoint copies the Sprite's files as they are, without stopping it: a program that writes meanwhile is found as after a power cut.
func (h *Host) createCheckpoint(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Comment string `json:"comment"`
	}
	if err := decode(r, &q); err != nil {
		return err
	}
	if len(q.Comment) > maxComment {
		return badRequest(fmt.Sprintf("a comment has up to %d bytes", maxComment))
	}
	var id string
	var l *lines
	err := h.onCheckpoints(r, func(rec record, s checkpoints) error {
		existing, err := s.all()
		if err != nil {
			return err
		}
		if len(existing) >= maxCheckpoints {
			return &apiError{409, "checkpoint_limit", fmt.Sprintf("a sprite has up to %d checkpoints: delete one with DELETE /v1/sprites/%s/checkpoints/%s",
				maxCheckpoints, rec.Name, existing[len(existing)-1].ID)}
		}
		left, err := h.allowance(rec.Name, 0)
		if err != nil {
			return err
		}
		if id, err = s.next(existing); err != nil {
			return err
		}
		ctx, done := h.errand(r.Context(), rec.Name)
		defer done()
		l = newLines(w)
		defer l.until(ctx)()
		l.info("Creating checkpoint " + id)
		dir, err := s.draft(ctx, s.sprite, left, l.progress)
		if err != nil {
			return err
		}
		return errors.Join(s.add(dir, checkpoint{ID: id, Created: time.Now().UTC(), Comment: q.Comment, History: []string{}}), h.removed(rec.Name))
	})
	if l == nil {
		return err
	}
	h.finish(r, l, err, "Checkpoint "+id+" created") // holding nothing: a client may be slow to read
	return nil
}

func (h *Host) listCheckpoints(w http.ResponseWriter, r *http.Request) error {
	return h.using(r, func(rec record) error {
		all, err := h.checkpoints(rec.Name).all()
		if err != nil {
			return err
		}
		answer(w, http.StatusOK, all)
		return nil
	})
}

func (h *Host) getCheckpoint(w http.ResponseWriter, r *http.Request) error {
	return h.using(r, func(rec record) error {
		c, err := h.checkpoints(rec.Name).get(r.PathValue("id"))
		if err != nil {
			return err
		}
		answer(w, http.StatusOK, c)
		return nil
	})
}

func (h *Host) deleteCheckpoint(w http.ResponseWriter, r *http.Request) error {
	return h.onCheckpoints(r, func(_ record, s checkpoints) error {
		if err := errors.Join(s.delete(r.PathValue("id")), h.removed(r.PathValue("name"))); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

// restoreCheckpoint replaces the Sprite's files and ends everything that runs in it. What the files were is not kept.
func (h *Host) restoreCheckpoint(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	name := r.PathValue("name")
	var l *lines
	var rec record
	var fresh string
	s := h.checkpoints(name)
	unlock := func() {}
	err := h.using(r, func(found record) (err error) {
		if _, err := s.get(id); err != nil {
			return err
		}
		if unlock, err = keep(s.lock()); err != nil {
			return err
		}
		c, err := s.get(id)
		if err != nil {
			return err
		}
		left, err := h.allowance(name, 0)
		if err != nil {
			return err
		}
		ctx, done := h.errand(r.Context(), name)
		defer done()
		rec, l = found, newLines(w)
		defer l.until(ctx)()
		l.info("Restoring checkpoint " + c.ID)
		fresh, err = s.draft(ctx, s.dir+"/"+c.ID, left, l.progress)
		return err
	})
	if l != nil && err == nil {
		// The client may leave, but half a restore helps nobody.
		err = h.replace(context.WithoutCancel(r.Context()), rec, s, fresh)
		h.clear(rec, s)
	}
	unlock()
	if l == nil {
		return err
	}
	h.finish(r, l, err, "Checkpoint "+id+" restored")
	return nil
}

// keep makes the result of a lock safe to defer.
func keep(unlock func(), err error) (func(), error) {
	if err != nil {
		return func() {}, err
	}
	return unlock, nil
}

// replace swaps the Sprite's trees for fresh ones.
func (h *Host) replace(ctx context.Context, rec record, s checkpoints, fresh string) error {
	release := h.gates.own(rec.Name)
	defer release()
	if now, err := h.load(rec.Name); err != nil || now.ID != rec.ID {
		return errors.Join(errNoSprite, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, stopTime, errors.New("its processes do not end"))
	defer cancel()
	if err := shim.Replace(ctx, s.sprite, fresh); err != nil {
		return fmt.Errorf("restore checkpoint: %w", err)
	}
	return nil
}

// clear removes the files that a restore has replaced, while the Sprite may be used again.
func (h *Host) clear(rec record, s checkpoints) {
	_, release := h.gates.use(rec.Name)
	defer release()
	now, err := h.load(rec.Name)
	if err == nil && now.ID == rec.ID {
		err = errors.Join(s.clean(), h.removed(rec.Name))
	}
	if err != nil {
		h.log.Warn("cannot remove a sprite's old files", "sprite", rec.Name, "error", err)
	}
}

// onCheckpoints holds the Sprite of the request in existence, and its checkpoints for f alone.
func (h *Host) onCheckpoints(r *http.Request, f func(rec record, s checkpoints) error) error {
	return h.using(r, func(rec record) error {
		s := h.checkpoints(rec.Name)
		unlock, err := s.lock()
		if err != nil {
			return err
		}
		defer unlock()
		return f(rec, s)
	})
}

// recoverCheckpoints finishes or removes what an earlier host left half done. A Sprite for which that fails keeps the others from nothing.
func (h *Host) recoverCheckpoints(ctx context.Context) {
	all, err := h.all()
	for _, rec := range all {
		err = errors.Join(err, h.recover(ctx, h.checkpoints(rec.Name)))
	}
	if err != nil {
		h.log.Warn("cannot recover every sprite", "error", err)
	}
}

func (h *Host) recover(ctx context.Context, s checkpoints) error {
	if _, err := os.Lstat(s.dir); errors.Is(err, fs.ErrNotExist) {
		return nil // there was never one
	}
	if err := shim.Recover(ctx, s.sprite); err != nil {
		return fmt.Errorf("recover sprite %s: %w", s.sprite, err)
	}
	unlock, err := s.lock()
	var busy *apiError
	if errors.As(err, &busy) {
		return nil // another process is at it
	}
	if err != nil {
		return err
	}
	defer unlock()
	return s.clean()
}
