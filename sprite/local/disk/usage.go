// Package disk measures what Sprites use of the disk, and keeps note of it.
//
//   - A measurement never leaves the folder that it is about, whatever stands in it and however that changes meanwhile.
//   - What many names share is counted once, and by its blocks, so that holes are free.
package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what is known of the disk space of a Sprite.
type Usage struct {
	Bytes int64     `json:"bytes"`
	At    time.Time `json:"at"`
	// Full says that the Sprite was found above its limit: nothing starts in it until it is below again.
	Full bool `json:"full,omitempty"`
	// Stale says that files were removed since.
	Stale bool `json:"stale,omitempty"`
}

const usageFile = "usage.json"

// Load reads the note in a Sprite's folder; where there is none yet, nothing is known to be used.
func Load(dir string) (Usage, error) {
	var u Usage
	b, err := os.ReadFile(filepath.Join(dir, usageFile))
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &u)
	}
	if err != nil {
		return Usage{}, fmt.Errorf("read disk usage: %w", err)
	}
	return u, nil
}

// Save writes the note, whole or not at all.
func (u Usage) Save(dir string) error {
	b, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("encode disk usage: %w", err)
	}
	f, err := os.CreateTemp(dir, usageFile+".*")
	if err != nil {
		return fmt.Errorf("write disk usage: %w", err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, usageFile))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write disk usage: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// Update changes the note by what f makes of it, and nobody else meanwhile. It answers the new note.
func Update(dir string, f func(*Usage)) (Usage, error) {
	d, err := os.Open(dir)
	if err != nil {
		return Usage{}, fmt.Errorf("lock disk usage: %w", err)
	}
	defer d.Close()
	for {
		if err = unix.Flock(int(d.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return Usage{}, fmt.Errorf("lock disk usage: %w", err)
	}
	before, err := Load(dir)
	if err != nil {
		before = Usage{Stale: true} // what cannot be read is no reason never to write it again
	}
	after := before
	if f(&after); after == before {
		return after, nil
	}
	return after, after.Save(dir)
}

// Renew measures a Sprite and notes the outcome. Files that are removed meanwhile leave the note stale. The note is there on ErrRestless as
// well, and full.
func Renew(ctx context.Context, dir string, limit int64) (Usage, error) {
	_, _ = Update(dir, func(u *Usage) { u.Stale = false }) // where the disk is full it may not work, and is no reason not to look
	bytes, err := Measure(ctx, dir)
	restless := errors.Is(err, ErrRestless)
	if err != nil && !restless {
		return Usage{}, errors.Join(err, noteStale(dir))
	}
	u, uerr := Update(dir, func(u *Usage) {
		u.Bytes, u.At, u.Full = bytes, time.Now().UTC(), restless || limit > 0 && bytes > limit
	})
	return u, errors.Join(err, uerr)
}

func noteStale(dir string) error {
	_, err := Update(dir, func(u *Usage) { u.Stale = true })
	return err
}

// Space is what a file system has left for ordinary users, and in all.
type Space struct{ Free, Total, Inodes, AllInodes int64 }

// SpaceOf asks for the file system of a folder.
func SpaceOf(dir string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Space{}, fmt.Errorf("read free disk space: %w", err)
	}
	return Space{Free: int64(st.Bavail) * st.Bsize, Total: int64(st.Blocks) * st.Bsize, Inodes: int64(st.Ffree), AllInodes: int64(st.Files)}, nil
}

// Reserve is what Sprites leave free of the file system: 1 GiB or 2 %, whichever is more.
func (s Space) Reserve() int64 { return max(1<<30, s.Total/50) }

// Short says why nothing may be added to the file system after more bytes; empty when it may. File systems without a fixed number of
// inodes have none, and never too few.
func (s Space) Short(more int64) string {
	switch {
	case s.Free-more < s.Reserve():
		return fmt.Sprintf("the file system of the sprites has %s left, and %s of it are kept free", Text(s.Free), Text(s.Reserve()))
	case s.AllInodes > 0 && s.Inodes < s.AllInodes/50:
		return fmt.Sprintf("the file system of the sprites has room for %d files left, and some of it is kept free", s.Inodes)
	}
	return ""
}

// Text writes a size for people.
func Text(bytes int64) string {
	if bytes < 1<<10 {
		return fmt.Sprintf("%d B", max(0, bytes))
	}
	size, unit := float64(bytes), 0
	for size >= 1023.95 && unit < 5 {
		size, unit = size/1024, unit+1
	}
	text := fmt.Sprintf("%.1f", size)
	if n := len(text); text[n-2:] == ".0" {
		text = text[:n-2]
	}
	return text + " " + "KMGTP"[unit-1:unit] + "iB"
}
