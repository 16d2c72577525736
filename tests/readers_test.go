package tests

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Of 10,000 readers of one session, who have waited, each gets the next row once. When
// the server stops, each stream ends whole and without a terminal event, and who comes
// back to the next server gets the rest.
func TestTenThousandReadersMissNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := spawnIn(t, dir, os.Getuid())
	session := a.session(`mkfifo gate1 gate2; echo ready; read x < gate1; echo next; read x < gate2; echo last`)
	ready := a.stream(session).until(func(e event) bool { return e.Data == "ready\n" })
	from := ready[len(ready)-1].Number
	crowd := make([]*idler, crowdSize(t))
	inTurn(crowd, func(i int) {
		crowd[i] = newIdler(t, a, session, from)
		crowd[i].expect(`"type": "start"`)
	})
	pass(t, dir, session, "gate1")
	inTurn(crowd, func(i int) { crowd[i].expect(`"data": "next\n"`) })
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Errorf("the server ends with %v", err)
	}
	inTurn(crowd, func(i int) { crowd[i].leave() })

	a = spawnIn(t, dir, os.Getuid())
	back := crowd[:20]
	inTurn(back, func(i int) {
		back[i] = newIdler(t, a, session, from+1)
		back[i].expect(`"type": "start"`)
	})
	pass(t, dir, session, "gate2")
	inTurn(back, func(i int) {
		back[i].expect(`"data": "last\n"`)
		back[i].expect(`"type": "exit"`)
		back[i].leave()
	})
}

// crowdSize is 10,000, or what the limit of open files allows.
func crowdSize(t *testing.T) int {
	t.Helper()
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	size := 10_000
	if most := int(files.Cur) - 1000; most < size {
		size = most / 2
		t.Logf("%d readers, since %d files may be open", size, files.Cur)
	}
	return size
}

// inTurn does something for each of the crowd, for some at the same time.
func inTurn(crowd []*idler, do func(i int)) {
	const hands = 64
	var wg sync.WaitGroup
	for first := range hands {
		wg.Go(func() {
			for i := first; i < len(crowd); i += hands {
				do(i)
			}
		})
	}
	wg.Wait()
}

// pass lets a turn go on that waits at a gate, or will soon.
func pass(t *testing.T, dir, session, gate string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "sprites", "aod-*"+session, "root", "home", "sprite", gate))
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v: %v", found, err)
	}
	waitFor(t, "nobody waits at "+gate, func() bool {
		f, err := os.OpenFile(found[0], os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if errors.Is(err, syscall.ENXIO) {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := fmt.Fprintln(f, "go on"); err != nil {
			t.Fatal(err)
		}
		return true
	})
}

// idler is a reader that has no goroutine.
type idler struct {
	t     *testing.T
	conn  net.Conn
	body  io.ReadCloser
	lines *bufio.Reader
}

// newIdler opens the stream of a session after a row.
func newIdler(t *testing.T, a *api, session string, after int64) *idler {
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET /sessions/%s/stream HTTP/1.1\r\nHost: aod\r\nAuthorization: Bearer %s\r\nLast-Event-ID: %d\r\n\r\n", session, a.token, after)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%v: %v", answer, err)
		return nil
	}
	return &idler{t: t, conn: conn, body: answer.Body, lines: bufio.NewReader(answer.Body)}
}

// expect reads the next event, which has to say so.
func (r *idler) expect(text string) {
	if r == nil {
		return
	}
	if line := r.data(); !strings.Contains(line, text) {
		r.t.Errorf("got %q, want %s", line, text)
	}
}

// leave reads the end of the stream, before which nothing has to come.
func (r *idler) leave() {
	if r == nil {
		return
	}
	if line := r.data(); line != "" {
		r.t.Errorf("got %q before the end", line)
	}
	r.conn.Close()
}

// data returns the next data line of an event with a row or a computed one, turn_start
// left out, or nothing at the end.
func (r *idler) data() string {
	for {
		line, err := r.lines.ReadString('\n')
		if err == io.EOF && line == "" {
			return ""
		}
		if err != nil {
			r.t.Errorf("%v after %q", err, line)
			return ""
		}
		if strings.HasPrefix(line, "data: ") && !strings.Contains(line, `"type": "turn_start"`) {
			return line
		}
	}
}
