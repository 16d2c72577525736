package hub

import "testing"

func TestLagIsThatOfTheReaderFurthestBehind(t *testing.T) {
	t.Parallel()
	log := &memLog{}
	h := New(log)
	want := func(readers int, rows int64) {
		t.Helper()
		if n, lag := h.Lag(); n != readers || lag != rows {
			t.Errorf("%d readers, %d rows behind, want %d and %d", n, lag, readers, rows)
		}
	}
	publish := func(session string, rows int) {
		after, frames := log.append(session, rows)
		h.Publish(session, after, frames...)
	}
	next := func(r *Reader) {
		t.Helper()
		if _, err := r.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want(0, 0)
	publish("a", 10)
	quick, slow, other := h.Read("a", 0), h.Read("a", 4), h.Read("b", 0)
	want(3, 0) // nothing has been published since they are there
	publish("a", 5)
	want(3, 15)
	next(quick) // gets 15 rows
	want(3, 15) // and has not said yet that it has taken them on
	next(quick)
	want(3, 11)
	next(slow)
	next(slow)
	want(3, 0)
	publish("b", 2)
	want(3, 2)
	other.Close()
	want(2, 0)
	quick.Close()
	slow.Close()
	slow.Close()
	want(0, 0)
	if len(h.tails) != 0 {
		t.Error("a tail is left")
	}
}
