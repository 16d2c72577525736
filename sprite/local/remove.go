package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// removeTree removes a folder that its owner may have made hard to remove. It follows no link.
func removeTree(path string) error {
	err := os.RemoveAll(path)
	if errors.Is(err, fs.ErrPermission) {
		if uerr := unlock(path); uerr != nil {
			return fmt.Errorf("remove %s: %w", path, uerr)
		}
		err = os.RemoveAll(path)
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}

// unlock makes every folder of a tree writable for its owner.
func unlock(path string) error {
	if err := os.Chmod(path, 0o700); err != nil {
		return err
	}
	r, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer r.Close()
	return unlockBelow(r)
}

func unlockBelow(r *os.Root) error {
	d, err := r.Open(".")
	if err != nil {
		return err
	}
	entries, err := d.ReadDir(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := r.Chmod(e.Name(), 0o700); err != nil {
			return err
		}
		sub, err := r.OpenRoot(e.Name())
		if err != nil {
			return err
		}
		if err := errors.Join(unlockBelow(sub), sub.Close()); err != nil {
			return err
		}
	}
	return nil
}
