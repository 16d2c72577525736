package shim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// journalKept is how much of a session's output stays on disk for those who attach: the newest.
	journalKept = 64 << 20
	// journalAhead is how far a command may be ahead of its slowest client before it waits.
	journalAhead = 8 << 20
	// markEvery is the distance between the places at which a journal can be cut.
	markEvery = 256 << 10
)

// journal is a session on disk: its account, and then its output in frames, one behind the other, at offsets that never change. Where it
// grows beyond what is kept, its oldest output is given back to the file system. Clients read the file by themselves; the journal tells them
// how far it has got.
type journal struct {
	f *os.File

	mu      sync.Mutex
	changed sync.Cond // whenever end grows, a reader moves or goes, or the journal is closed
	marks   []mark    // the first one is where the journal begins
	end     mark
	readers map[*client]int64 // how far each client has read
	sealed  bool              // nothing more is written
	closed  bool              // and clients may know
	err     error             // why output is missing from it
}

// mark is a place between two frames.
type mark struct {
	// Offset is that in the file.
	Offset int64 `json:"offset"`
	// Output counts the bytes of output before it, without the frames' headers.
	Output int64 `json:"output"`
}

func createJournal(path string, a account) (*journal, error) {
	b, err := a.encode()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("create journal: %w", err), f.Close(), os.Remove(path))
	}
	begin := mark{Offset: accountSize}
	j := &journal{f: f, marks: []mark{begin}, end: begin, readers: map[*client]int64{}}
	j.changed.L = &j.mu
	return j, nil
}

// write appends a frame that begins with room for its header. It waits while the slowest client is too far behind; without clients it
// never waits. After an error nothing more is written.
func (j *journal) write(kind byte, frame []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.lag() > journalAhead {
		j.changed.Wait()
	}
	if j.sealed || j.err != nil {
		return j.err
	}
	err := j.append(kind, frame)
	for late := time.Now().Add(writeTime); err != nil && time.Now().Before(late); err = j.append(kind, frame) {
		t := time.AfterFunc(writePause, j.changed.Broadcast)
		j.changed.Wait()
		t.Stop()
	}
	j.err = err
	return err
}

// A disk that is full is tried again for a while, in which the command waits.
const (
	writeTime  = 20 * time.Second
	writePause = time.Second
)

// note appends a frame of our own, which waits for nobody.
func (j *journal) note(kind byte, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.sealed && j.err == nil {
		_ = j.append(kind, append(make([]byte, frameHeader, frameHeader+len(text)), text...)) // a full disk has no room for it
	}
}

// lag is how far the slowest client is behind; the caller holds mu.
func (j *journal) lag() int64 {
	var lag int64
	for _, at := range j.readers {
		lag = max(lag, j.end.Offset-at)
	}
	return lag
}

func (j *journal) append(kind byte, frame []byte) error {
	frame[0] = kind
	binary.BigEndian.PutUint32(frame[1:], uint32(len(frame)-frameHeader))
	if _, err := j.f.WriteAt(frame, j.end.Offset); err != nil { // what has been written of it is beyond the end
		return fmt.Errorf("write journal: %w", err)
	}
	if last := j.marks[len(j.marks)-1]; j.end.Offset-last.Offset >= markEvery {
		j.marks = append(j.marks, j.end)
	}
	j.end.Offset += int64(len(frame))
	j.end.Output += int64(len(frame) - frameHeader)
	j.trim()
	j.changed.Broadcast()
	return nil
}

// trim gives back what is more than is kept, but nothing that a client has not read.
func (j *journal) trim() {
	cut := 0
	limit := j.end.Offset - max(journalKept, j.lag())
	for cut+1 < len(j.marks) && j.marks[cut+1].Offset <= limit {
		cut++
	}
	if cut == 0 {
		return
	}
	j.marks = j.marks[cut:]
	// From the very beginning, because blocks that an earlier cut went through become free only as a whole.
	// Where the file system cannot do it, the journal just stays longer than it needs to be.
	_ = unix.Fallocate(int(j.f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, accountSize, j.marks[0].Offset-accountSize)
}

// settle ends the writing and puts the session's last account on disk: without an exit code if output is missing.
func (j *journal) settle(a *account) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sealed = true
	a.First, a.End = j.marks[0], j.end
	if j.err != nil {
		a.Exit, a.Lost = nil, j.err.Error()
	}
	b, err := a.encode()
	if err != nil {
		return err
	}
	if _, err := j.f.WriteAt(b, 0); err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	return nil
}

// follow makes the journal wait for a client, which is told in the answer where it can begin.
func (j *journal) follow(c *client) (first, end mark) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.readers[c] = j.marks[0].Offset
	return j.marks[0], j.end
}

// moved notes how far a client has read.
func (j *journal) moved(c *client, offset int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if at, ok := j.readers[c]; ok && offset > at && offset <= j.end.Offset {
		j.readers[c] = offset
		j.changed.Broadcast()
	}
}

// leave forgets a client, and says how many are left.
func (j *journal) leave(c *client) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.readers, c)
	j.changed.Broadcast()
	return len(j.readers)
}

// await returns when there is more than end, or when there will never be, or when the client is not one any more.
func (j *journal) await(c *client, end int64) (now int64, closed, left bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		_, here := j.readers[c]
		if j.end.Offset > end || j.closed || !here {
			return j.end.Offset, j.closed, !here
		}
		j.changed.Wait()
	}
}

// failure is why output is missing.
func (j *journal) failure() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// close ends the journal: clients come to its end.
func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return
	}
	j.sealed, j.closed = true, true
	_ = j.f.Close()
	j.changed.Broadcast()
}
