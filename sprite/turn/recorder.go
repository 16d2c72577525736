package turn

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/agent-on-demand/aod/store"
)

const (
	rowSize  = 16 << 10 // bytes of output in a row, at most
	rowsKept = 64       // rows that wait for the store before the writer has to
)

// recorder makes rows of a turn's output. While one batch is being committed the
// next one gathers, so a quiet turn's output is shown at once and a loud one's in
// large batches; when too much has gathered, the writer waits.
//
// What may be the beginning of a secret or of a character is held back until it is
// known. The turn's offsets count bytes as they were written, and only those whose
// rows are stored: a recorder that is given the output from there on goes on exactly
// as this one would have.
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
	flows   map[store.Stream]*flow
	asides  *flow
	closed  bool
	err     error
	done    chan struct{}
}

// newRecorder returns a recorder that hides secrets. A store that refuses for the
// moment is asked again after each pause; giveUp is called when it takes no more.
func newRecorder(s *store.Store, readers Readers, session string, number int, secrets []string, giveUp context.CancelCauseFunc, pause func(time.Duration) bool) *recorder {
	known := newPatterns(secrets)
	r := &recorder{
		store: s, readers: readers, session: session, number: number, giveUp: giveUp, pause: pause,
		flows: map[store.Stream]*flow{}, done: make(chan struct{}),
	}
	for _, name := range []store.Stream{store.Stdout, store.Stderr} {
		r.flows[name] = &flow{stream: name, masker: newMasker(known)}
	}
	r.asides = &flow{stream: store.Stderr, masker: newMasker(known), aside: true}
	r.room.L, r.work.L = &r.mu, &r.mu
	go r.run()
	return r
}

// close says that the streams have ended. It stores what is left and returns why
// rows were lost, if any were.
func (r *recorder) close() error {
	r.mu.Lock()
	for _, f := range []*flow{r.flows[store.Stdout], r.flows[store.Stderr], r.asides} {
		f.masker.end(r.to(f))
		r.add(f, f.carried) // half a character, shown as U+FFFD
		f.carried = nil
	}
	r.mu.Unlock()
	return r.detach()
}

// detach says that the streams go on without this recorder. It stores what is
// complete, leaves what was held back to the recorder that takes over at the turn's
// offsets, and returns why rows were lost, if any were.
func (r *recorder) detach() error {
	r.mu.Lock()
	r.closed = true
	r.work.Signal()
	r.room.Broadcast()
	r.mu.Unlock()
	<-r.done
	return r.err
}

// accepted returns how many bytes of a stream the recorder has taken.
func (r *recorder) accepted(name store.Stream) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flows[name].taken
}

// stream returns the writer of one stream.
func (r *recorder) stream(name store.Stream) io.Writer { return streamWriter{r, r.flows[name]} }

// aside returns a writer of what the Sprite's host has to say about the turn. It is
// shown as error output, between that of the turn.
func (r *recorder) aside() io.Writer { return streamWriter{r, r.asides} }

type streamWriter struct {
	*recorder
	*flow
}

// Write takes output on. It waits while too much is waiting for the store.
func (w streamWriter) Write(output []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.waiting) >= rowsKept && w.err == nil && !w.closed {
		w.room.Wait()
	}
	if w.err != nil {
		return 0, w.err
	}
	if w.closed {
		return 0, io.ErrClosedPipe
	}
	w.masker.write(output, w.to(w.flow))
	w.flow.taken += int64(len(output))
	w.work.Signal()
	return len(output), nil
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
			moved.Stdout += p.raw
		} else {
			moved.Stderr += p.raw
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
