package local

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/shim"
	"golang.org/x/sys/unix"
)

// maxCheckpoints bounds what a Sprite keeps: each may be as big as the Sprite.
const maxCheckpoints = 20

// checkpoint is the record of a copy of a Sprite's trees, which stands beside them in a folder of its id.
type checkpoint struct {
	ID      string    `json:"id"`
	Created time.Time `json:"create_time"`
	Comment string    `json:"comment"`
	History []string  `json:"history"`
	Auto    bool      `json:"is_auto"`
}

var validCheckpoint = regexp.MustCompile(`^v(0|[1-9][0-9]{0,8})$`)

var errNoCheckpoint = &apiError{404, "not_found", "checkpoint not found"}

const (
	checkpointFile = "checkpoint.json"
	draftPrefix    = ".draft-"
)

// checkpoints are those of one Sprite.
type checkpoints struct {
	sprite string // its folder
	dir    string
}

func (h *Host) checkpoints(name string) checkpoints {
	return checkpoints{h.dir(name), filepath.Join(h.dir(name), "checkpoints")}
}

// lock keeps everybody else from changing the Sprite's checkpoints, in this process and others, or says that somebody does.
func (s checkpoints) lock() (unlock func(), err error) {
	if err := os.Mkdir(s.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make checkpoints' folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(s.dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock checkpoints: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = &apiError{409, "conflict", "another checkpoint of this sprite is being made, restored or deleted: wait for it"}
		}
		return nil, errors.Join(err, f.Close())
	}
	return func() { unlocked(f) }, nil
}

// all lists the checkpoints, the newest first.
func (s checkpoints) all() ([]checkpoint, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	out := []checkpoint{}
	for _, e := range entries {
		c, err := s.get(e.Name())
		if errors.Is(err, errNoCheckpoint) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b checkpoint) int { return ordinal(b.ID) - ordinal(a.ID) })
	return out, nil
}

func (s checkpoints) get(id string) (c checkpoint, err error) {
	if !validCheckpoint.MatchString(id) {
		return c, errNoCheckpoint
	}
	b, err := os.ReadFile(filepath.Join(s.dir, id, checkpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, errNoCheckpoint
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return c, fmt.Errorf("read checkpoint %s: %w", id, err)
	}
	return c, nil
}

func ordinal(id string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(id, "v")) // ids are checked before
	return n
}

// next is the id of the next checkpoint: never one that there was. The caller holds the lock.
func (s checkpoints) next(existing []checkpoint) (string, error) {
	n := 0
	if len(existing) > 0 {
		n = ordinal(existing[0].ID) + 1
	}
	path := filepath.Join(s.dir, ".next")
	if b, err := os.ReadFile(path); err == nil {
		if kept, err := strconv.Atoi(string(b)); err == nil {
			n = max(n, kept)
		}
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(n+1)), 0o600); err != nil {
		return "", fmt.Errorf("number checkpoint: %w", err)
	}
	return "v" + strconv.Itoa(n), nil
}

// draft copies the trees in a folder to a new one that is whole and on disk. The caller holds the lock.
func (s checkpoints) draft(ctx context.Context, from string, left int64, progress func(entries, bytes int64)) (string, error) {
	dir := filepath.Join(s.dir, draftPrefix+rand.Text())
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("make checkpoint: %w", err)
	}
	c := &copier{ctx: ctx, skip: shim.Scratch, left: left, progress: progress}
	err := c.trees(from, dir, shim.Trees()...)
	if err == nil {
		err = synced(dir) // the names that come next must not reach the disk before what they name
	}
	if err != nil {
		return "", errors.Join(err, removeTree(dir))
	}
	return dir, nil
}

// trees copies trees of a Sprite that are in one folder to another.
func (c *copier) trees(from, to string, trees ...string) error {
	src, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy files: %w", err)
	}
	defer src.Close()
	dst, err := os.Open(to)
	if err != nil {
		return fmt.Errorf("copy files: %w", err)
	}
	defer dst.Close()
	c.links = dst
	for _, tree := range trees {
		if err := c.entry(src, tree, dst, tree, tree, 0); err != nil {
			return err
		}
	}
	return nil
}

// synced returns when what is in the file system of a folder is on disk.
func synced(dir string) error {
	f, err := os.Open(dir)
	if err == nil {
		err = errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
	}
	if err != nil {
		return fmt.Errorf("write files to disk: %w", err)
	}
	return nil
}

// add makes a draft a checkpoint.
func (s checkpoints) add(draft string, c checkpoint) error {
	b, err := json.Marshal(c)
	if err == nil {
		err = os.WriteFile(filepath.Join(draft, checkpointFile), b, 0o600)
	}
	if err == nil {
		err = os.Rename(draft, filepath.Join(s.dir, c.ID))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("save checkpoint: %w", err), removeTree(draft))
	}
	return nil
}

// delete makes a checkpoint disappear at once. The caller holds the lock.
func (s checkpoints) delete(id string) error {
	if _, err := s.get(id); err != nil {
		return err
	}
	trash := filepath.Join(s.dir, draftPrefix+rand.Text())
	if err := os.Rename(filepath.Join(s.dir, id), trash); err != nil {
		return fmt.Errorf("delete checkpoint: %w", err)
	}
	return removeTree(trash)
}

// clean removes what a dead host has left half done. The caller holds the lock.
func (s checkpoints) clean() (err error) {
	for _, pattern := range []string{filepath.Join(s.dir, draftPrefix+"*"), filepath.Join(s.sprite, shim.Replaced+"*")} {
		left, gerr := filepath.Glob(pattern)
		err = errors.Join(err, gerr)
		for _, path := range left {
			err = errors.Join(err, removeTree(path))
		}
	}
	return err
}
