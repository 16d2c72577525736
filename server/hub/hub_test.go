package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-on-demand/aod/store"
)

// memLog stands for the rows table.
type memLog struct {
	mu       sync.Mutex
	sessions map[string][]store.Frame
	reads    int
}

// append stores rows and says which row of the session came before.
func (l *memLog) append(session string, rows int) (after int64, frames []store.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions == nil {
		l.sessions = map[string][]store.Frame{}
	}
	old := l.sessions[session]
	if len(old) > 0 {
		after = old[len(old)-1].ID
	}
	for i := range rows {
		id := after + int64(i) + 1
		frames = append(frames, store.Frame{ID: id, Data: fmt.Appendf(nil, "id: %d\n\n", id)})
	}
	l.sessions[session] = append(old, frames...)
	return after, frames
}

func (l *memLog) FramesAfter(_ context.Context, session string, after int64, limit int) ([]store.Frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	all := l.sessions[session]
	i := sort.Search(len(all), func(i int) bool { return all[i].ID > after })
	return append([]store.Frame(nil), all[i:min(len(all), i+limit)]...), nil
}

// follow reads n rows after id and fails unless they are exactly the log's.
func follow(ctx context.Context, t *testing.T, h *Hub, log *memLog, session string, id int64, n int, slow bool) {
	r := h.Read(session, id)
	defer r.Close()
	var got []int64
	for len(got) < n {
		fs, err := r.Next(ctx)
		if err != nil {
			t.Errorf("after %d rows: %v", len(got), err)
			return
		}
		for _, f := range fs {
			got = append(got, f.ID)
		}
		if slow {
			time.Sleep(time.Millisecond)
		}
		if len(fs) > 0 {
			continue
		}
		select {
		case <-r.Wait():
		case <-ctx.Done():
			t.Errorf("stuck after %d rows", len(got))
			return
		}
	}
	want, _ := log.FramesAfter(ctx, session, id, 1<<30)
	for i := range got {
		if got[i] != want[i].ID {
			t.Errorf("row %d: got id %d, want %d", i, got[i], want[i].ID)
			return
		}
	}
}

// Every reader, whenever it joins and however slow, sees each row once and in
// order, with two sessions at once and appenders that announce out of order. The
// clock is the bubble's, so no time passes.
func TestNoGapsNoRepeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rows, readers, writers = 4000, 40, 3
		log := &memLog{}
		h := New(log)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for _, session := range []string{"a", "b"} {
			for i := range readers {
				delay := time.Duration(rand.IntN(15)) * time.Millisecond
				wg.Go(func() {
					time.Sleep(delay)
					follow(ctx, t, h, log, session, 0, rows, i%7 == 0)
				})
			}
			var mu sync.Mutex
			left := rows
			for range writers {
				wg.Go(func() {
					for {
						mu.Lock()
						n := min(left, 1+rand.IntN(6))
						left -= n
						mu.Unlock()
						if n == 0 {
							return
						}
						after, fs := log.append(session, n)
						if rand.IntN(10) == 0 {
							time.Sleep(time.Duration(rand.IntN(50)) * time.Microsecond)
						}
						h.Publish(session, after, fs...)
					}
				})
			}
		}
		wg.Wait()
		if len(h.tails) != 0 {
			t.Errorf("%d tails left", len(h.tails))
		}
	})
}

// A change of status wakes a reader that has nothing to read.
func TestStatusWakesWaitingReader(t *testing.T) {
	t.Parallel()
	h := New(&memLog{})
	r := h.Read("s", 0)
	defer r.Close()
	if fs, err := r.Next(t.Context()); len(fs) != 0 || err != nil {
		t.Fatal(fs, err)
	}
	if !r.StatusChanged() || r.StatusChanged() {
		t.Fatal("the status has to be asked for once")
	}
	h.Wake("s")
	select {
	case <-r.Wait():
	default:
		t.Fatal("not woken")
	}
	if _, err := r.Next(t.Context()); err != nil || !r.StatusChanged() {
		t.Fatal("the change of status has been missed", err)
	}
}

// A reader that asks for more than there is gets only what is newer than it asked.
func TestReaderBeyondTheEndSeesOnlyLaterRows(t *testing.T) {
	t.Parallel()
	log := &memLog{}
	h := New(log)
	r := h.Read("s", 3)
	defer r.Close()
	for range 5 {
		after, fs := log.append("s", 1)
		h.Publish("s", after, fs...)
	}
	fs, err := r.Next(t.Context())
	if err != nil || len(fs) != 2 || fs[0].ID != 4 {
		t.Fatalf("got %v, %v; want rows 4 and 5", fs, err)
	}
}

func BenchmarkFanout(b *testing.B) {
	for _, readers := range []int{0, 1, 100, 1000} {
		b.Run(fmt.Sprint(readers), func(b *testing.B) {
			log := &memLog{}
			h := New(log)
			ctx := b.Context()
			var wg sync.WaitGroup
			for range readers {
				wg.Go(func() {
					r := h.Read("s", 0)
					defer r.Close()
					for n := int64(0); n < int64(b.N); {
						fs, err := r.Next(ctx)
						if err != nil {
							return
						}
						if len(fs) == 0 {
							<-r.Wait()
							continue
						}
						n = fs[len(fs)-1].ID
					}
				})
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				after, fs := log.append("s", 1)
				h.Publish("s", after, fs...)
			}
			wg.Wait()
		})
	}
}

// The first row after a silence wakes at once. Those that follow it are announced
// together, soon, and none is left without.
func TestRowsThatKeepComingAreAnnouncedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &memLog{}
		h := New(log)
		r := h.Read("s", 0)
		defer r.Close()
		next := func() int {
			frames, err := r.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return len(frames)
		}
		publish := func() {
			after, frames := log.append("s", 1)
			h.Publish("s", after, frames...)
		}
		for next() > 0 {
		}
		began := time.Now()
		publish()
		<-r.Wait()
		if late := time.Since(began); late != 0 || next() != 1 || next() != 0 {
			t.Errorf("the first row came %v late", late)
		}
		for range 10 {
			publish()
		}
		<-r.Wait()
		if late := time.Since(began); late != pace || next() != 10 || next() != 0 {
			t.Errorf("the others came %v after it", late)
		}
	})
}
