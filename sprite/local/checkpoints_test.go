package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A checkpoint that is given up in the middle leaves nothing, whatever the modes of what was copied.
func TestCancelledCopyLeavesNothing(t *testing.T) {
	t.Parallel()
	s := checkpoints{sprite: t.TempDir()}
	s.dir = filepath.Join(s.sprite, "checkpoints")
	for _, d := range []string{"ov", "root/a/b", "root/c", "checkpoints"} {
		if err := os.MkdirAll(filepath.Join(s.sprite, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	if dir, err := s.draft(ctx, s.sprite, 1<<30, nil); err != nil {
		t.Errorf("whole: %s %v", dir, err)
	}
	cancel(cause)
	if dir, err := s.draft(ctx, s.sprite, 1<<30, nil); !errors.Is(err, cause) {
		t.Errorf("given up: %s %v", dir, err)
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, "*")); err != nil || len(left) != 1 { // the whole one
		t.Errorf("left: %v %v", left, err)
	}
	if err := s.clean(); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("after cleaning: %v %v", left, err)
	}
}

func TestCopyIsBounded(t *testing.T) {
	t.Parallel()
	tree := sprite0(t)
	if err := os.WriteFile(filepath.Join(tree.root.Name(), "big"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var e *apiError
	if _, err := tree.copy(t.Context(), "/big", "/copy", true, 1<<19); !errors.As(err, &e) || e.status != 507 {
		t.Errorf("big: %v", err)
	}
	if err := os.Remove(filepath.Join(tree.root.Name(), "big")); err != nil {
		t.Fatal(err)
	}
	at := tree.root.Name()
	for range maxDepth + 2 {
		at += "/x"
	}
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.copy(t.Context(), "/x", "/y", true, 1<<30); !errors.Is(err, errTooDeep) {
		t.Errorf("deep: %v", err)
	}
	if left, err := os.ReadDir(tree.root.Name()); err != nil || len(left) != 6 {
		t.Errorf("left: %v %v", left, err)
	}
	if err := tree.chmod(t.Context(), "/x", 0o700, true, func(string) {}); !errors.Is(err, errTooDeep) {
		t.Errorf("deep chmod: %v", err)
	}
}

// A copier that finds a link where a file or folder has just been does not follow it.
func TestCopyOpensNoLink(t *testing.T) {
	t.Parallel()
	tree, victim := sprite0(t), t.TempDir()
	plant(t, tree.root.Name(), victim)
	if err := os.WriteFile(filepath.Join(victim, "secret"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]uint32{"file": unix.S_IFREG, "abs": unix.S_IFDIR, "f": unix.S_IFDIR, "d": unix.S_IFREG} {
		f, _, _, err := openLocked(tree.root, name, kind)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v %v", name, f, err)
		}
	}
}
