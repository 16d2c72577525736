package turn

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/agent-on-demand/aod/store"
)

const (
	rowSize  = 16 << 10 // bytes of output in a row, at most
	rowsKept = 64       // rows that wait for the store before the writer has to
)

// recorder makes rows of a turn's output. While one batch is being committed the
// next one gathers, so a quiet turn's output is shown at once and a loud one's in
// large batches; when too much has gathered, the writer waits.
type recorder struct {
	store   *store.Store
	readers Readers
	session string
	number  int
	giveUp  context.CancelCauseFunc
	pause   func(time.Duration) bool // before the store is asked again; false to give up

	mu      sync.Mutex
	room    sync.Cond // signalled when waiting has been taken or err set
	work    sync.Cond // signalled when there is something to store, or closed
	waiting []piece
	carried map[store.Stream][]byte // the beginning of a character
	closed  bool
	err     error
	done    chan struct{}
}

// piece is output of one stream that becomes a row.
type piece struct {
	stream store.Stream
	data   []byte
}

// newRecorder returns a recorder. A store that refuses for the moment is asked
// again after each pause; giveUp is called when it takes no more.
func newRecorder(s *store.Store, readers Readers, session string, number int, giveUp context.CancelCauseFunc, pause func(time.Duration) bool) *recorder {
	r := &recorder{
		store: s, readers: readers, session: session, number: number, giveUp: giveUp, pause: pause,
		carried: map[store.Stream][]byte{}, done: make(chan struct{}),
	}
	r.room.L, r.work.L = &r.mu, &r.mu
	go r.run()
	return r
}

// close stores what is left and returns why rows were lost, if any were.
func (r *recorder) close() error {
	r.mu.Lock()
	for _, stream := range []store.Stream{store.Stdout, store.Stderr} {
		r.add(stream, r.carried[stream]) // half a character, shown as U+FFFD
		delete(r.carried, stream)
	}
	r.closed = true
	r.work.Signal()
	r.mu.Unlock()
	<-r.done
	return r.err
}

// stream returns the writer of one stream.
func (r *recorder) stream(name store.Stream) io.Writer { return streamWriter{r, name} }

type streamWriter struct {
	*recorder
	name store.Stream
}

// Write takes output on. It waits while too much is waiting for the store.
func (w streamWriter) Write(output []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.waiting) >= rowsKept && w.err == nil {
		w.room.Wait()
	}
	if w.err != nil {
		return 0, w.err
	}
	whole := append(w.carried[w.name], output...)
	cut := len(whole) - incomplete(whole)
	w.carried[w.name] = append([]byte(nil), whole[cut:]...)
	w.add(w.name, whole[:cut])
	w.work.Signal()
	return len(output), nil
}

// add appends data to what is waiting, in pieces that end between characters.
func (r *recorder) add(stream store.Stream, data []byte) {
	for len(data) > 0 {
		last := len(r.waiting) - 1
		if last < 0 || r.waiting[last].stream != stream || len(r.waiting[last].data) >= rowSize-utf8.UTFMax {
			r.waiting = append(r.waiting, piece{stream: stream})
			last++
		}
		p := &r.waiting[last]
		n := min(len(data), rowSize-len(p.data))
		if n < len(data) {
			n -= incomplete(data[:n])
		}
		p.data = append(p.data, data[:n]...)
		data = data[n:]
	}
}

// incomplete returns how many bytes at the end of b are the beginning of a
// character that may go on after b: 0 to 3.
func incomplete(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		tail := b[len(b)-n:]
		if utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

func (r *recorder) run() {
	defer close(r.done)
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		for len(r.waiting) == 0 && !r.closed {
			r.work.Wait()
		}
		if len(r.waiting) == 0 {
			return
		}
		batch := r.waiting
		r.waiting = nil
		r.room.Broadcast()
		r.mu.Unlock()
		err := r.save(batch)
		r.mu.Lock()
		if err != nil {
			r.err, r.waiting = err, nil
			r.room.Broadcast()
			r.giveUp(err)
			return
		}
	}
}

// save stores a batch and announces it. The last rows of a turn whose session is
// being stopped are stored too.
func (r *recorder) save(batch []piece) error {
	rows := make([]store.Row, len(batch))
	var moved store.Progress
	for i, p := range batch {
		rows[i] = store.Row{Turn: r.number, Stream: p.stream, Data: string(p.data)}
		if p.stream == store.Stdout {
			moved.Stdout += int64(len(p.data))
		} else {
			moved.Stderr += int64(len(p.data))
		}
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		span, err := r.store.AppendRows(context.Background(), r.session, r.number, moved, rows...)
		if err == nil {
			r.readers.Publish(r.session, span.After, span.Frames...)
			return nil
		}
		if refusal := (*store.Error)(nil); errors.As(err, &refusal) || !r.pause(wait) {
			return err
		}
	}
}
