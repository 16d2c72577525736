package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// keyFile is a file of keys that another process may replace at any moment. Whoever
// asks for the keys has those of the file as it is then: what is encrypted in a
// transaction is encrypted with the key that the file begins with in that transaction.
type keyFile struct {
	path string

	mu   sync.Mutex
	info os.FileInfo // of the file that the keys are from
	keys []key
}

// KeyFile reads the keys in the file at path, which it makes (0600, one new
// random key) if there is none.
func KeyFile(path string) (*Keyring, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := makeKeyFile(path); err != nil {
			return nil, fmt.Errorf("make encryption key: %w", err)
		}
	}
	f := &keyFile{path: path}
	if err := f.read(); err != nil {
		return nil, err
	}
	return &Keyring{file: f}, nil
}

// current reads the file again if it has been replaced. Where that fails, the keys are
// those that it had.
func (f *keyFile) current() []key {
	f.mu.Lock()
	defer f.mu.Unlock()
	if info, err := os.Stat(f.path); err == nil && !same(info, f.info) {
		_ = f.read()
	}
	return f.keys
}

func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// read takes the keys from the file, all of one version of it.
func (f *keyFile) read() error {
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("read encryption key: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read encryption key: %w", err)
	}
	text := make([]byte, maxKeyFile)
	n, err := file.Read(text)
	if err != nil {
		return fmt.Errorf("read encryption key: %w", err)
	}
	ring, err := ParseKeys(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	f.info, f.keys = info, ring.keys
	return nil
}

// maxKeyFile is more than any key file has, with its keys of 44 characters.
const maxKeyFile = 64 << 10

// write replaces the file, whole or not at all, for the same owner.
func (f *keyFile) write(keys []key) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	draft, err := draftKeys(filepath.Dir(f.path), keys)
	if err != nil {
		return fmt.Errorf("write encryption keys: %w", err)
	}
	err = Give(draft, f.path)
	if err == nil {
		err = os.Rename(draft, f.path)
	}
	if err != nil {
		return fmt.Errorf("write encryption keys: %w", errors.Join(err, os.Remove(draft)))
	}
	if err := SyncDir(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("write encryption keys: %w", err)
	}
	return f.read()
}

// makeKeyFile links a complete file into place, so that of two processes that
// start at once both read the same key.
func makeKeyFile(path string) error {
	made, err := parseKey(NewKey().Reveal())
	if err != nil {
		return err
	}
	draft, err := draftKeys(filepath.Dir(path), []key{made})
	if err != nil {
		return err
	}
	defer os.Remove(draft)
	if err := os.Link(draft, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// draftKeys writes keys to a new file, synced, and returns its path.
func draftKeys(dir string, keys []key) (string, error) {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = k.text
	}
	draft, err := os.CreateTemp(dir, ".key-*") // 0600
	if err != nil {
		return "", err
	}
	_, err = draft.WriteString(strings.Join(texts, ",") + "\n")
	// Two versions of a file in one tick of the clock would be taken for one another.
	moment := time.Now()
	if err := errors.Join(err, draft.Sync(), draft.Close(), os.Chtimes(draft.Name(), moment, moment)); err != nil {
		return "", errors.Join(err, os.Remove(draft.Name()))
	}
	return draft.Name(), nil
}

// Give gives a file the owner that another one has, if root does it: what root changes for a
// server that is an ordinary user's is that user's.
func Give(path, as string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(as)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return os.Lchown(path, int(owner.Uid), int(owner.Gid))
}

// SyncDir makes the names in a folder last.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
