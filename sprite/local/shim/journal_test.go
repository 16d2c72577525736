package shim

import (
	"fmt"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What a journal keeps on disk does not grow with what it has ever held.
func TestTrimmedJournalStaysSmall(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	j, err := createJournal(path, account{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	frame := make([]byte, frameHeader+MaxOutput-1001)
	for range 20000 { // 1.2 GB
		if err := j.write(frameStdout, frame); err != nil {
			t.Fatal(err)
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Blocks*512 > journalKept+2<<20 {
		t.Errorf("it takes %d bytes: %v", st.Blocks*512, err)
	}
}

// A Sprite can have itself refused as much as it likes: a session remembers a part of it.
func TestToldLinesAreBounded(t *testing.T) {
	t.Parallel()
	j, err := createJournal(filepath.Join(t.TempDir(), "journal"), account{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	s := &session{journal: j, told: map[string]bool{}}
	for i := range 10 * toldKept {
		s.tell(fmt.Sprint(i))
	}
	if len(s.told) > toldKept {
		t.Errorf("%d lines are remembered", len(s.told))
	}
}
