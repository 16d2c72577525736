// Package hub hands a session's stored rows to everyone who is reading it.
//
// Readers pull: each holds only the id of the last row it has written, asks for
// what comes after, and waits when there is nothing. A reader that falls behind
// the frames kept here reads from the log instead, so nobody is disconnected for
// being slow and catching up is the same code as following.
//
// What makes a tail trustworthy is that each batch names the row it comes after.
//
// The first row after a silence is announced at once. While rows keep coming, they
// are announced together: a wake-up of many readers costs more than a row.
package hub

import (
	"context"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agent-on-demand/aod/store"
)

// Log is where frames that are no longer kept here are read from.
type Log interface {
	FramesAfter(ctx context.Context, session string, after int64, limit int) ([]store.Frame, error)
}

const (
	kept = 256 // frames kept of a session that is being read, at least
	page = 128 // frames handed out at once, at most

	pace   = 2 * time.Millisecond // between two wake-ups of a session's readers, at least
	effort = 5 * time.Microsecond // of the pace for each of them: about what one wake-up costs
)

// Hub has one tail per session that someone reads.
type Hub struct {
	log   Log
	mu    sync.Mutex
	tails map[string]*tail
}

// New returns a hub over log.
func New(log Log) *Hub { return &Hub{log: log, tails: make(map[string]*tail)} }

type tail struct {
	users map[*Reader]struct{} // guarded by Hub.mu

	mu         sync.Mutex
	ring       []store.Frame // every row of the session with from < id <= last, in order
	from, last int64
	statuses   int           // how often the status has changed
	wake       chan struct{} // closed when something has changed
	woken      time.Time     // when that was done last
	due        bool          // it will be done by itself
}

func (h *Hub) acquire(r *Reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tails[r.session]
	if t == nil {
		t = &tail{users: make(map[*Reader]struct{}), wake: make(chan struct{})}
		h.tails[r.session] = t
	}
	t.users[r] = struct{}{}
	r.tail = t
}

func (h *Hub) release(r *Reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(r.tail.users, r); len(r.tail.users) == 0 && h.tails[r.session] == r.tail {
		delete(h.tails, r.session)
	}
}

// Publish announces frames that are already in the log; after is the id of the
// session's row before them.
func (h *Hub) Publish(session string, after int64, frames ...store.Frame) {
	if len(frames) > 0 {
		h.change(session, func(t *tail) { t.append(after, frames) })
	}
}

// Wake announces that the session's status has changed, or that it is gone.
func (h *Hub) Wake(session string) {
	h.change(session, func(t *tail) { t.statuses++ })
}

// change changes the session's tail and wakes its readers, if they have not just
// been woken, else soon. Without a reader there is no tail: the log has everything.
func (h *Hub) change(session string, do func(*tail)) {
	h.mu.Lock()
	t, readers := h.tails[session], 0
	if t != nil {
		readers = len(t.users)
	}
	h.mu.Unlock()
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	do(t)
	if t.due {
		return
	}
	if early := max(pace, time.Duration(readers)*effort) - time.Since(t.woken); early > 0 {
		t.due = true
		time.AfterFunc(early, t.announce)
		return
	}
	t.rouse()
}

// announce wakes the readers after a while of collecting.
func (t *tail) announce() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due = false
	t.rouse()
}

func (t *tail) rouse() {
	close(t.wake)
	t.wake, t.woken = make(chan struct{}), time.Now()
}

func (t *tail) append(after int64, frames []store.Frame) {
	if frames[0].ID <= t.last {
		return // announced out of turn: readers find it in the log
	}
	if after != t.last || len(t.ring) == 0 { // the first, or a gap that the log fills
		t.ring, t.from = nil, after
	}
	t.ring = append(t.ring, frames...)
	if n := len(t.ring) - kept; n >= kept { // a new array: readers may hold the old one
		t.from = t.ring[n-1].ID
		t.ring = append(make([]store.Frame, 0, 2*kept), t.ring[n:]...)
	}
	t.last = frames[len(frames)-1].ID
}

// after returns the kept frames after id, or behind when older ones are wanted,
// or neither when there is nothing newer.
func (t *tail) after(id int64) (frames []store.Frame, behind bool) {
	if id >= t.last {
		return nil, false
	}
	if id < t.from {
		return nil, true
	}
	i := sort.Search(len(t.ring), func(i int) bool { return t.ring[i].ID > id })
	n := min(len(t.ring)-i, page)
	return t.ring[i : i+n : i+n], false
}

// Reader follows one session.
type Reader struct {
	hub      *Hub
	session  string
	tail     *tail
	id       int64
	passed   atomic.Int64 // id of the last row that has been taken on, for others to see
	caught   bool         // the log has been read to its end since this reader began
	statuses int          // as of the last Next
	asked    int          // as of the last StatusChanged
	wake     <-chan struct{}
}

// Read returns a reader of what comes after id. Close it.
func (h *Hub) Read(session string, id int64) *Reader {
	r := &Reader{hub: h, session: session, id: id, asked: -1}
	r.passed.Store(id)
	h.acquire(r)
	return r
}

// Close gives the session's tail back.
func (r *Reader) Close() { r.hub.release(r) }

// Next returns the next frames, or none when there are none yet. Then ask for
// StatusChanged and Wait.
func (r *Reader) Next(ctx context.Context) ([]store.Frame, error) {
	r.passed.Store(r.id)
	r.tail.mu.Lock()
	frames, behind := r.tail.after(r.id)
	r.wake, r.statuses = r.tail.wake, r.tail.statuses
	r.tail.mu.Unlock()
	if behind || !r.caught {
		var err error
		if frames, err = r.hub.log.FramesAfter(ctx, r.session, r.id, page); err != nil {
			return nil, err
		}
		r.caught = r.caught || len(frames) < page
	}
	if n := len(frames); n > 0 {
		r.id = frames[n-1].ID
	}
	return frames, nil
}

// StatusChanged reports whether the session's status may have changed between
// the last time it was asked and the last Next; the first time it always may.
//
// Rows are written before the status that follows them. So a caller that finds a
// final status and then gets nothing from Next has read all there is.
func (r *Reader) StatusChanged() bool {
	changed := r.statuses != r.asked
	r.asked = r.statuses
	return changed
}

// Wait is closed when there may be more than the last Next has seen.
func (r *Reader) Wait() <-chan struct{} { return r.wake }
