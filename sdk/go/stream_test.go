package aod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// frames answers with server-sent events.
func frames(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, text)
	}
}

const start = `data: {"type":"start","runtime":"shell","provider":"local","session_id":"s"}` + "\n\n"

func turn(id, n int) string {
	return fmt.Sprintf("data: {\"type\":\"turn_start\",\"id\":%d,\"turn\":%d}\n\n", id, n)
}

func row(id, n int) string {
	return fmt.Sprintf("id: %d\ndata: {\"type\":\"output\",\"id\":%d,\"stream\":\"stdout\",\"data\":\"<%d>\",\"turn\":%d}\n\n", id, id, id, n)
}

func exit(id, code int) string {
	return fmt.Sprintf("id: %d\ndata: {\"type\":\"exit\",\"id\":%d,\"code\":%d}\n\n", id, id, code)
}

// told writes events down.
func told(events func(func(Event, error) bool)) (all []string, failed error) {
	for e, err := range events {
		if err != nil {
			return all, err
		}
		all = append(all, strings.TrimSpace(fmt.Sprint(e.Type, " ", e.ID, e.Turn, e.Data)))
	}
	return all, nil
}

var wanted = []string{"start 0 0", "turn_start 1 1", "output 1 1<1>", "output 2 1<2>", "turn_start 3 2", "output 3 2<3>", "exit 3 0"}

func TestFollowShowsEachEventOnce(t *testing.T) {
	t.Parallel()
	var since []string
	note := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			since = append(since, r.Header.Get("Last-Event-ID"))
			h(w, r)
		}
	}
	s := serve(t,
		note(frames(start+": heartbeat\n\n"+turn(1, 1)+row(1, 1))),
		note(gateway),
		note(frames(start+turn(2, 1))), // cut before the row that it announces
		note(frames(start+turn(2, 1)+row(1, 1)+row(2, 1)+turn(3, 2))), // a row too many
		note(dropped),
		note(frames(start+turn(3, 2)+strings.TrimSuffix(row(3, 2), "\"turn\":2}\n\n"))), // cut in its middle
		note(frames(start+turn(3, 2)+"id: 3\n")),
		note(frames(start+turn(3, 2)+row(3, 2)+exit(3, 0)+row(4, 2))),
	)
	all, err := told(s.client(t).Sessions.Follow(t.Context(), "s", 0))
	if err != nil || !slices.Equal(all, wanted) {
		t.Errorf("%v\ngot  %q\nwant %q", err, all, wanted)
	}
	if want := []string{"", "1", "1", "1", "2", "2", "2", "2"}; !slices.Equal(since, want) {
		t.Errorf("came back after %q, want %q", since, want)
	}
}

func TestFollowGivesUpOnWhatNeverComes(t *testing.T) {
	t.Parallel()
	s := serve(t, frames(start+turn(1, 1)+row(1, 1)), frames(start))
	all, err := told(s.client(t, WithReconnects(4)).Sessions.Follow(t.Context(), "s", 0))
	if len(all) != 3 || !errors.Is(err, errCut) || len(s.made()) != 5 {
		t.Errorf("%v after %q and %d connections", err, all, len(s.made()))
	}
}

// However often a stream breaks, it is followed as long as each connection shows something.
func TestFollowGoesOnWhileSomethingNewComes(t *testing.T) {
	t.Parallel()
	var answers []http.HandlerFunc
	for id := 1; id <= 30; id++ {
		answers = append(answers, frames(start+row(id, 1)))
	}
	s := serve(t, append(answers, frames(start+exit(30, 0)))...)
	all, err := told(s.client(t, WithReconnects(1)).Sessions.Follow(t.Context(), "s", 0))
	if err != nil || len(all) != 32 {
		t.Errorf("%v after %q", err, all)
	}
}

// What the server refuses for good is said at once.
func TestFollowEndsWithARefusal(t *testing.T) {
	t.Parallel()
	s := serve(t, frames(start), answer(404, `{"detail":"Session not found"}`))
	all, err := told(s.client(t).Sessions.Follow(t.Context(), "s", 0))
	if len(all) != 1 || !errors.Is(err, ErrNotFound) || len(s.made()) != 2 {
		t.Errorf("%v after %q, %d connections", err, all, len(s.made()))
	}
}

func TestStreamEndsWithTheSessionOrWithAnError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		frames string
		events int
		err    string
	}{
		"whole":     {start + row(1, 1) + exit(1, 3), 3, ""},
		"CR LF":     {strings.ReplaceAll(start+row(1, 1)+exit(1, 3), "\n", "\r\n"), 3, ""},
		"cut":       {start + row(1, 1), 2, "the connection ended before the session did"},
		"no JSON":   {start + "data: {]\n\n", 1, "an event is no JSON"},
		"too long":  {start + "data: " + strings.Repeat("x", eventLimit+1) + "\n\n", 1, "token too long"},
		"foreign":   {start + "event: x\nretry: 5\n\n" + exit(0, 0), 2, ""},
		"no object": {"data: 7\n\n", 0, "an event is no JSON"},
	} {
		s := serve(t, frames(c.frames))
		all, err := told(s.client(t).Sessions.Stream(t.Context(), "s", 0))
		if len(all) != c.events || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v after %q", name, err, all)
		}
	}
}

func TestStreamEndsWhenItsReaderDoes(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, start)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	})
	for range s.client(t).Sessions.Stream(t.Context(), "s", 0) {
		break
	}
	<-gone
	ctx, cancel := context.WithCancel(t.Context())
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, start)
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	if _, err := told(s.client(t).Sessions.Follow(ctx, "s", 0)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A connection on which nothing comes any more is left for another; one whose reader is slow is not.
func TestSilentConnectionIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		connections := 0
		c, err := New("http://aod.test", token, WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			connections++
			first := connections == 1
			body, writer := io.Pipe()
			go func() {
				if first {
					io.WriteString(writer, start+row(1, 1))
					<-r.Context().Done()
					writer.CloseWithError(r.Context().Err())
					return
				}
				for range 20 { // nothing new for five minutes, but alive
					time.Sleep(15 * time.Second)
					io.WriteString(writer, ": heartbeat\n\n")
				}
				io.WriteString(writer, exit(1, 0))
			}()
			response := answered(r, 200, "")
			response.Body = body
			return response, nil
		})))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var all []EventType
		for e, err := range c.Sessions.Follow(t.Context(), "s", 0) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e.Type)
			time.Sleep(10 * silence) // of the reader
		}
		if want := []EventType{EventStart, EventOutput, EventExit}; !slices.Equal(all, want) || connections != 2 {
			t.Errorf("%q over %d connections", all, connections)
		}
		if took := time.Since(began) - 30*silence; took < silence+5*time.Minute || took > silence+6*time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

// Whatever a server sends, a stream ends: with an end, or with an error.
func FuzzStreamEnds(f *testing.F) {
	f.Add([]byte(start + turn(1, 1) + row(1, 1) + exit(1, 0)))
	f.Add([]byte(": heartbeat\n\nid: 1\ndata\r\rdata:{}\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := New("http://aod.test", token, WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			return answered(r, 200, string(text)), nil
		})))
		if err != nil {
			t.Fatal(err)
		}
		ended := false
		for e, err := range c.Sessions.Stream(t.Context(), "s", 0) {
			if ended {
				t.Fatal("there is more after the end")
			}
			ended = err != nil || e.Ends()
		}
		if !ended {
			t.Error("no end")
		}
	})
}
