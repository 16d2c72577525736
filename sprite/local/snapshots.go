package local

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Snapshot names the files of a Sprite as they are when a version of an environment has been set up in it.
type Snapshot struct {
	Environment string // of whose versions the newest is kept
	Version     int
	Key         string // of all that the files depend on, besides this machine
}

// snapshot is the record of what is kept, which stands beside its trees.
type snapshot struct {
	Environment string    `json:"environment"`
	Version     int       `json:"version"`
	Created     time.Time `json:"created_at"`
	Bytes       int64     `json:"bytes"`   // of the disk
	Entries     int64     `json:"entries"` // of the tree that is copied
	Size        int64     `json:"size"`    // of the files there

	folder  string
	used    time.Time
	retired bool
}

const (
	snapshotFile = "snapshot.json"
	retiredFile  = "retired"
)

var (
	errNoSnapshot = errors.New("there is no such snapshot")
	errBusy       = fmt.Errorf("%w: somebody is at it", errNoSnapshot)
	errDamaged    = errors.New("the snapshot is damaged")
)

// snapshots are those of a host, each in a folder that begins with its id and is there as a whole or not at all. Who makes a Sprite of one
// holds a shared lock on its folder, and who makes or removes one the exclusive one, also in other processes. What Sprites are layered over
// stays until they are gone; it is retired where it shall be used no more.
type snapshots struct {
	dir   string
	inUse func(folder string) bool
	mu    sync.Mutex // one change at a time
}

func (s *snapshots) path(folder string) string { return filepath.Join(s.dir, folder) }

// all lists the snapshots, the one first that was not used for longest.
func (s *snapshots) all() ([]snapshot, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	var out []snapshot
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		found, err := s.get(e.Name())
		if errors.Is(err, errNoSnapshot) {
			continue
		}
		if err != nil {
			found = snapshot{folder: e.Name()} // damaged: the first to go
		}
		out = append(out, found)
	}
	slices.SortFunc(out, func(a, b snapshot) int { return a.used.Compare(b.used) })
	return out, nil
}

func (s *snapshots) get(folder string) (snapshot, error) {
	path := filepath.Join(s.path(folder), snapshotFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(s.path(folder)); errors.Is(err, fs.ErrNotExist) {
			return snapshot{}, errNoSnapshot
		}
	}
	found := snapshot{folder: folder}
	if err == nil {
		err = json.Unmarshal(b, &found)
	}
	var fi fs.FileInfo
	if err == nil {
		fi, err = os.Stat(path)
	}
	if err != nil {
		return snapshot{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	found.used = fi.ModTime()
	_, err = os.Lstat(filepath.Join(s.path(folder), retiredFile))
	found.retired = err == nil
	return found, nil
}

// find answers the folder of a snapshot that is not retired.
func (s *snapshots) find(id string) (folder string, err error) {
	folders, err := filepath.Glob(s.path(id) + ".*")
	for _, path := range folders {
		if _, err := os.Lstat(filepath.Join(path, retiredFile)); errors.Is(err, fs.ErrNotExist) {
			return filepath.Base(path), nil
		}
	}
	return "", errors.Join(errNoSnapshot, err)
}

// open holds a snapshot in existence until close is called.
func (s *snapshots) open(id string) (found snapshot, close func(), err error) {
	folder, err := s.find(id)
	if err != nil {
		return found, nil, err
	}
	path := s.path(folder)
	close, err = lockFolder(path, unix.LOCK_SH)
	for tries := 0; errors.Is(err, errBusy) && tries < 20; tries++ { // whoever has just made it is about to let go of it
		time.Sleep(5 * time.Millisecond)
		close, err = lockFolder(path, unix.LOCK_SH)
	}
	if err != nil {
		return found, nil, err
	}
	if found, err = s.get(folder); err != nil {
		close()
		return snapshot{folder: folder}, nil, err
	}
	now := time.Now()
	_ = os.Chtimes(filepath.Join(path, snapshotFile), now, now) // only the order of removal depends on it
	return found, close, nil
}

// lockFolder locks a folder, if nobody keeps it from that and it still has its name then; errNoSnapshot otherwise.
func lockFolder(path string, how int) (unlock func(), err error) {
	f, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoSnapshot
	}
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errBusy
		}
		return nil, err
	}
	held, err := f.Stat()
	if err == nil {
		var named fs.FileInfo
		if named, err = os.Lstat(path); err == nil && os.SameFile(held, named) {
			return func() { unlocked(f) }, nil
		}
	}
	unlocked(f)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = errNoSnapshot
	}
	return nil, err
}

// draft makes a folder for a snapshot to be, which nobody removes until unlock is called.
func (s *snapshots) draft() (dir string, unlock func(), err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make snapshots' folder: %w", err)
	}
	dir = filepath.Join(s.dir, draftPrefix+rand.Text())
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make snapshot: %w", err)
	}
	unlock, err = lockFolder(dir, unix.LOCK_EX)
	return dir, unlock, err
}

// add makes a draft the snapshot of that id, in the place of those of the environment's older versions. It refuses one that is not the
// newest, and one that there is.
func (s *snapshots) add(draft, id string, made snapshot) error {
	if err := synced(draft); err != nil {
		return err
	}
	b, err := json.Marshal(made)
	if err == nil {
		err = os.WriteFile(filepath.Join(draft, snapshotFile), b, 0o600)
	}
	if err == nil {
		err = synced(draft)
	}
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.all()
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Environment == made.Environment && other.Version > made.Version {
			return errors.New("a newer version of its environment has a snapshot")
		}
	}
	if folder, err := s.find(id); err == nil {
		return errors.New("there is one by now: " + folder)
	}
	if err := os.Rename(draft, s.path(id+"."+rand.Text())); err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	for _, other := range all {
		if other.Environment == made.Environment && other.Version < made.Version {
			err = errors.Join(err, s.retire(other.folder))
		}
	}
	return err
}

// drop retires the snapshots that fit.
func (s *snapshots) drop(fits func(snapshot) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.all()
	for _, found := range all {
		if fits(found) {
			err = errors.Join(err, s.retire(found.folder))
		}
	}
	return err
}

// retire removes a snapshot, or has it removed when nothing uses it any more. The caller holds mu.
func (s *snapshots) retire(folder string) error {
	removed, err := s.remove(folder)
	if removed || err != nil {
		return err
	}
	err = os.WriteFile(filepath.Join(s.path(folder), retiredFile), nil, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is gone
	}
	return err
}

// remove makes a snapshot disappear at once, unless it is in use. The caller holds mu.
func (s *snapshots) remove(folder string) (removed bool, err error) {
	path := s.path(folder)
	unlock, err := lockFolder(path, unix.LOCK_EX)
	if errors.Is(err, errNoSnapshot) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer unlock()
	if s.inUse(folder) {
		return false, nil
	}
	trash := filepath.Join(s.dir, draftPrefix+rand.Text())
	if err := os.Rename(path, trash); err != nil {
		return false, fmt.Errorf("remove snapshot: %w", err)
	}
	return true, removeTree(trash)
}

// clean removes what dead hosts have left half done.
func (s *snapshots) clean() error {
	left, err := filepath.Glob(filepath.Join(s.dir, draftPrefix+"*"))
	for _, path := range left {
		unlock, lerr := lockFolder(path, unix.LOCK_EX)
		if errors.Is(lerr, errNoSnapshot) {
			continue // somebody is at it
		}
		if lerr == nil {
			lerr = removeTree(path)
			unlock()
		}
		err = errors.Join(err, lerr)
	}
	return err
}
