package turn

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-on-demand/aod/store"
)

// noise is binary output that is the same every time.
func noise(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

// Followers from any offset, and from any later one after that, get every byte
// once while it is written.
func TestFollowAndRestMissAndRepeatNothing(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	const size = 5 << 20
	data := noise(size)
	j, feed := s.turn(1, ""), s.fifo("feed")
	s.launch(j, 300, "sh", "-c", "tee /dev/stderr <feed")
	fed := make(chan error, 1)
	in, err := os.OpenFile(feed, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	half, more := make(chan struct{}), make(chan struct{})
	go func() {
		_, err := in.Write(data[:size/2])
		close(half)
		<-more
		if err == nil {
			_, err = in.Write(data[size/2:])
		}
		_ = in.Close()
		fed <- err
	}()
	<-half
	type part struct {
		from int64
		out  bytes.Buffer
		done chan error
	}
	var parts []*part
	for i, from := range []int64{0, 1, 4095, 65536, 1<<20 + 7} {
		p := &part{from: from, done: make(chan error, 1)}
		parts = append(parts, p)
		stream := []store.Stream{store.Stdout, store.Stderr}[i%2]
		go func() {
			cmd := s.command(j.follow(stream, from))
			cmd.Stdout = &p.out
			if err := cmd.Run(); err != nil {
				p.done <- err
				return
			}
			cmd = s.command(j.rest(stream, from+int64(p.out.Len())))
			cmd.Stdout = &p.out
			p.done <- cmd.Run()
		}()
	}
	close(more)
	if err := <-fed; err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if err := <-p.done; err != nil {
			t.Errorf("from %d: %v", p.from, err)
		}
		if !bytes.Equal(p.out.Bytes(), data[p.from:]) {
			t.Errorf("from %d: %d bytes, which are not the %d", p.from, p.out.Len(), size-p.from)
		}
	}
	if out := s.run(j.rest(store.Stdout, size)); out != "" {
		t.Errorf("%d bytes behind the end", len(out))
	}
	if st := s.state(j); st != (state{stateExited, 0}) {
		t.Errorf("%v", st)
	}
}

// A byte comes while the turn runs, not only at its end.
func TestFollowPrintsWhatIsThereAndWhatComes(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	j, ready, gate, last := s.turn(1, ""), s.fifo("ready"), s.fifo("gate"), s.fifo("last")
	s.launch(j, 120, "sh", "-c", "printf there; echo >ready; cat gate; read -r end <last")
	s.said(ready)
	cmd := s.command(j.follow(store.Stdout, 2))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	expect := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(out, got); err != nil || string(got) != want {
			t.Fatalf("%q, not %q: %v", got, want, err)
		}
	}
	expect("ere")
	s.say(gate, "more")
	expect("more")
	s.say(last, "end\n")
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestJournalThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	missing := journal{s.path("turns/1")}
	j := s.turn(2, "")
	s.launch(j, 120, "printf", "four")
	s.end(j)
	for name, argv := range map[string][]string{
		"follow": missing.follow(store.Stdout, 0), "rest": missing.rest(store.Stdout, 0),
		"follow behind the end": j.follow(store.Stdout, 5), "rest behind the end": j.rest(store.Stdout, 5),
	} {
		if out, err := s.command(argv).Output(); err == nil || len(out) > 0 {
			t.Errorf("%s: %q %v", name, out, err)
		}
	}
	if out := s.run(j.rest(store.Stdout, 4)); out != "" {
		t.Errorf("at the end: %q", out)
	}
	if st := s.state(missing); st.kind != stateMissing {
		t.Errorf("%v", st)
	}
}

// A pipe that all processes of a follow have open ends when the last of them does.
func TestFollowLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	j, gate := s.turn(1, ""), s.fifo("gate")
	s.launch(j, 120, "sh", "-c", "echo there; cat gate")
	for name, end := range map[string]func(process *os.Process, reader io.Closer) error{
		"terminated":         func(p *os.Process, _ io.Closer) error { return p.Signal(syscall.SIGTERM) },
		"hung up":            func(p *os.Process, _ io.Closer) error { return p.Signal(syscall.SIGHUP) },
		"group killed":       func(p *os.Process, _ io.Closer) error { return syscall.Kill(-p.Pid, syscall.SIGKILL) },
		"the reader is gone": func(_ *os.Process, r io.Closer) error { return r.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			alive, held, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = alive.Close() }()
			cmd := s.command(j.follow(store.Stdout, 0))
			cmd.ExtraFiles = []*os.File{held}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = held.Close()
			if _, err := io.ReadFull(out, make([]byte, len("there\n"))); err != nil {
				t.Fatal(err)
			}
			if err := end(cmd.Process, out); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(alive); err != nil {
				t.Error(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("the follow succeeded, though the turn runs")
			}
		})
	}
	s.say(gate, "")
	s.end(j)
}

// The end may come while a follow is only just starting.
func TestFollowOfAnEndedTurnEnds(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	j := s.turn(1, "")
	s.launch(j, 120, "echo", "said")
	s.end(j)
	for range 100 {
		if out := s.run(j.follow(store.Stdout, 0)); out != "" && out != "said\n" {
			t.Fatalf("%q", out)
		}
	}
}

// What a turn has left running may write for ever.
func TestRestEndsThoughTheJournalGrows(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	const size = 1 << 20 // more than a pipe holds
	j := s.turn(1, "")
	s.launch(j, 120, "head", "-c", strconv.Itoa(size), "/dev/zero")
	if st := s.end(j); st != (state{stateExited, 0}) {
		t.Fatalf("%v", st)
	}
	cmd := s.command(j.rest(store.Stdout, 1))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	late, err := os.OpenFile(j.dir+"/stdout", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := late.WriteString("late"); err != nil {
		t.Fatal(err)
	}
	_ = late.Close()
	rest, err := io.ReadAll(out)
	if err != nil || !bytes.Equal(rest, make([]byte, size-2)) {
		t.Errorf("%d bytes, not %d: %v", len(rest), size-2, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestTurnHoldsATask(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	socket := s.path("api.sock")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	asked, hungUp := make(chan string, 10), make(chan struct{}, 10)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- strings.TrimSpace(r.Method + " " + r.Host + r.URL.Path + " " + string(body))
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("a short and stout answer"))
	}), ConnState: func(_ net.Conn, now http.ConnState) {
		if now == http.StateClosed {
			hungUp <- struct{}{}
		}
	}}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	const put, remove = `PUT sprite/v1/tasks/aod-turn-%d {"expire":"5m"}`, "DELETE sprite/v1/tasks/aod-turn-%d"
	expect := func(number int, format string) {
		t.Helper()
		if want, got := strings.ReplaceAll(format, "%d", strconv.Itoa(number)), <-asked; got != want {
			t.Errorf("asked %q, not %q", got, want)
		}
	}
	gate := s.fifo("gate")
	for number, end := range map[int]func(j journal){
		1: func(journal) { s.say(gate, "") },
		2: func(journal) { // killed
			pid, err := strconv.Atoi(strings.TrimSpace(s.read("turns/2/pid")))
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			s.say(gate, "")
		},
	} {
		j := s.turn(number, "")
		s.run(j.launchHolding(socket, s.path("env"), 120, []string{"cat", "gate"}))
		expect(number, put)
		<-hungUp
		for range 20 {
			if st := s.state(j); st.kind != stateRunning || len(asked) > 0 {
				t.Errorf("%v, with %d more requests", st, len(asked))
			}
		}
		end(j)
		expect(number, remove)
		<-hungUp
		s.end(j)
		if out, err := s.all(j, store.Stdout), s.all(j, store.Stderr); out != "" || err != "" {
			t.Errorf("stdout %q, stderr %q", out, err)
		}
	}
}
