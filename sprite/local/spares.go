package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/agent-on-demand/aod/sprite/local/shim"
	"golang.org/x/sys/unix"
)

const (
	// readySpares is how many copies are ready for the next Sprites of a snapshot, and maxSpares how many of all snapshots.
	readySpares = 2
	maxSpares   = 16
)

// spare is a copy of a snapshot's root for a Sprite to come, with the ids that this will have.
type spare struct {
	of    string // the snapshot's folder
	dir   string
	base  int
	bytes int64
	let   func() // gives up its lock
}

// spares are the copies that this process has made, which end with it: the next host removes them.
type spares struct {
	mu     sync.Mutex
	ready  []spare
	making map[string]*making // by snapshot
	copies sync.Mutex         // one at a time: the disk is the same
}

// making is the work on a spare.
type making struct {
	done    chan struct{} // closed when it is ready, or will not be
	awaited bool          // by somebody who has nothing better
}

// take answers a spare of a snapshot, if there is one or will be soon.
func (s *spares) take(ctx context.Context, of string) (spare, bool) {
	for {
		s.mu.Lock()
		for i, found := range s.ready {
			if found.of == of {
				s.ready = append(s.ready[:i:i], s.ready[i+1:]...)
				s.mu.Unlock()
				return found, true
			}
		}
		next := s.making[of]
		if next == nil || next.awaited {
			s.mu.Unlock()
			return spare{}, false
		}
		next.awaited = true
		s.mu.Unlock()
		select {
		case <-next.done:
		case <-ctx.Done():
			return spare{}, false
		}
	}
}

// begin says whether the caller shall make a spare: nobody else does, and there are too few.
func (s *spares) begin(of string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.ready {
		if r.of == of {
			n++
		}
	}
	if s.making[of] != nil || n >= readySpares || len(s.ready) >= maxSpares {
		return false
	}
	if s.making == nil {
		s.making = map[string]*making{}
	}
	s.making[of] = &making{done: make(chan struct{})}
	return true
}

// end tells who waits that a spare has been made, or that it was not.
func (s *spares) end(of string, made ...spare) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = append(s.ready, made...)
	close(s.making[of].done)
	delete(s.making, of)
}

// drop removes the spares that fit.
func (s *spares) drop(fits func(spare) bool) (err error) {
	s.mu.Lock()
	var kept, gone []spare
	for _, r := range s.ready {
		if fits(r) {
			gone = append(gone, r)
		} else {
			kept = append(kept, r)
		}
	}
	s.ready = kept
	s.mu.Unlock()
	for _, g := range gone {
		err = errors.Join(err, g.remove())
	}
	return err
}

// bytes is what the spares use of the disk.
func (s *spares) bytes() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.ready {
		n += r.bytes
	}
	return n
}

func (s spare) remove() error {
	defer s.let()
	return removeTree(s.dir)
}

func (h *Host) sparesDir() string { return filepath.Join(h.opts.Dir, sparesDir) }

// stock makes spares of a snapshot in the background until there are enough.
func (h *Host) stock(of string) {
	if h.ctx.Err() != nil || !h.spares.begin(of) {
		return
	}
	h.work.Go(func() {
		h.spares.copies.Lock()
		made, err := h.makeSpare(of)
		h.spares.copies.Unlock()
		if err != nil {
			h.spares.end(of)
			if !errors.Is(err, errNoSnapshot) && h.ctx.Err() == nil {
				h.log.Info("no copy of a snapshot is kept ready", "snapshot", of, "error", err)
			}
			return
		}
		h.spares.end(of, made)
		h.stock(of)
	})
}

func (h *Host) makeSpare(folder string) (spare, error) {
	unlock, err := lockFolder(h.kept.path(folder), unix.LOCK_SH)
	if err != nil {
		return spare{}, err
	}
	defer unlock()
	from, err := h.kept.get(folder)
	if err != nil {
		return spare{}, err
	}
	if from.retired {
		return spare{}, errNoSnapshot
	}
	left, err := h.spare()
	if err != nil {
		return spare{}, err
	}
	made, err := h.reserve(folder)
	if err != nil {
		return spare{}, err
	}
	if made.bytes, err = h.copyRoot(h.ctx, from, made.dir, made.base, left); err != nil {
		return spare{}, errors.Join(err, made.remove())
	}
	return made, nil
}

// reserve makes the folder of a spare, whose name keeps its ids from everybody else.
func (h *Host) reserve(of string) (made spare, err error) {
	unlock, err := h.lock()
	if err != nil {
		return made, err
	}
	defer unlock()
	made.of = of
	if shim.ManyIDs() {
		if made.base, err = h.freeBase(); err != nil {
			return made, err
		}
	}
	made.dir = filepath.Join(h.sparesDir(), strconv.Itoa(made.base)+"."+rand.Text())
	if err := os.MkdirAll(made.dir, 0o700); err != nil {
		return made, fmt.Errorf("make copy of snapshot: %w", err)
	}
	made.let, err = lockFolder(made.dir, unix.LOCK_EX)
	return made, err
}

// reserved adds the first ids of all spares to taken, those of other processes, too.
func (h *Host) reserved(taken map[int]bool) error {
	entries, err := os.ReadDir(h.sparesDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list copies of snapshots: %w", err)
	}
	for _, e := range entries {
		text, _, _ := strings.Cut(e.Name(), ".")
		if base, err := strconv.Atoi(text); err == nil {
			taken[base] = true
		}
	}
	return nil
}

// cleanSpares removes those of dead hosts.
func (h *Host) cleanSpares() error {
	left, err := filepath.Glob(filepath.Join(h.sparesDir(), "*"))
	for _, path := range left {
		unlock, lerr := lockFolder(path, unix.LOCK_EX)
		if errors.Is(lerr, errNoSnapshot) {
			continue // its host lives
		}
		if lerr == nil {
			lerr = removeTree(path)
			unlock()
		}
		err = errors.Join(err, lerr)
	}
	return err
}
