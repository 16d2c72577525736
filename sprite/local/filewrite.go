package local

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// write puts content under name by a rename.
func (t *fileTree) write(name string, content io.Reader, mode fs.FileMode, parents bool) (int64, error) {
	if parents {
		if err := t.mkdirAll(path.Dir(name)); err != nil {
			return 0, err
		}
	}
	dir, last, err := t.parent(name)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	if fi, err := dir.Lstat(last); err == nil && fi.IsDir() {
		return 0, unix.EISDIR
	}
	draft := ".aod-" + rand.Text()
	n, err := t.writeDraft(dir, draft, content, mode)
	if err == nil {
		err = dir.Rename(draft, last)
	}
	if err != nil {
		return 0, errors.Join(err, forgive(dir.Remove(draft), fs.ErrNotExist))
	}
	return n, nil
}

func (t *fileTree) writeDraft(dir *os.Root, draft string, content io.Reader, mode fs.FileMode) (int64, error) {
	f, err := dir.OpenFile(draft, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(f, content)
	if err == nil && t.base != 0 {
		err = f.Chown(t.base, t.base)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	return n, errors.Join(err, f.Close())
}

// mkdirAll makes a folder and its parents. Each belongs to the Sprite as soon as it has
// its name, for a host that is killed in between would leave one that nobody may use.
func (t *fileTree) mkdirAll(name string) error {
	r, err := t.folder(name)
	if err == nil {
		return r.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) || name == "/" {
		return err
	}
	if err := t.mkdirAll(path.Dir(name)); err != nil {
		return err
	}
	dir, last, err := t.parent(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	draft := ".aod-" + rand.Text()
	if err := dir.Mkdir(draft, 0o755); err != nil {
		return err
	}
	if t.base != 0 {
		err = dir.Lchown(draft, t.base, t.base)
	}
	if err == nil {
		err = renameNew(dir, draft, last)
	}
	if err != nil { // somebody else may have made it meanwhile
		return errors.Join(forgive(err, fs.ErrExist), dir.Remove(draft))
	}
	return nil
}

// renameNew gives a file of a folder a name there that is free: fs.ErrExist otherwise.
func renameNew(dir *os.Root, from, to string) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Renameat2(int(f.Fd()), from, int(f.Fd()), to, unix.RENAME_NOREPLACE)
}

func forgive(err, harmless error) error {
	if errors.Is(err, harmless) {
		return nil
	}
	return err
}
