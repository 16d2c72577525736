package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A folder that is made for a file belongs to the Sprite from its first moment on: the host may be killed at any.
func TestFoldersBelongToTheSpriteAtOnce(t *testing.T) {
	t.Parallel()
	owner := 0
	if os.Geteuid() == 0 {
		owner = ordinaryOwner
	}
	root, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	tree := &fileTree{root: root, base: owner}
	const folders = 300
	seen := make(chan error)
	go func() {
		for i := range folders {
			for {
				var st syscall.Stat_t
				err := syscall.Lstat(filepath.Join(root.Name(), fmt.Sprint(i)), &st)
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err == nil && owner != 0 && int(st.Uid) != owner {
					err = fmt.Errorf("folder %d belongs to %d", i, st.Uid)
				}
				if err != nil {
					seen <- err
					return
				}
				break
			}
		}
		seen <- nil
	}()
	for i := range folders {
		if _, err := tree.write(fmt.Sprintf("/%d/file", i), strings.NewReader("x"), 0o600, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-seen; err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(root.Name(), ".aod-*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

const ordinaryOwner = 54321
