package tests

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// row is one stored event, as a reader has seen it.
type row struct {
	id  int64
	raw string // its JSON, byte for byte
	event
}

// reader follows a session over every loss of its connection.
type reader struct {
	*ordeal
	name    string
	chance  *rand.Rand // when to drop the connection by itself; nil for never
	shot    *shot      // is told of each row as it is read, if there is one
	rows    []row
	end     event // the last terminal event
	ended   chan event
	opened  int // connections that were answered
	problem error
}

// errDropped is why a reader has left by itself.
var errDropped = errors.New("dropped")

// follow reads until the session's last turn has ended.
func (r *reader) follow(ctx context.Context) {
	for {
		last := closed(r.posted)
		terminal, err := r.connect(ctx)
		switch {
		case err != nil:
			r.problem = fmt.Errorf("after row %d, on connection %d: %w", len(r.rows), r.opened, err)
			return
		case terminal && last:
			return
		case terminal:
			r.ended <- r.end
			select {
			case <-r.posted:
			case <-ctx.Done():
			}
		}
		if !pause(ctx, 5*time.Millisecond) {
			r.problem = fmt.Errorf("the session is stuck after row %d", len(r.rows))
			return
		}
	}
}

// connect reads one connection to its end. The error is what no loss of a connection
// explains.
func (r *reader) connect(ctx context.Context) (terminal bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+r.addr+"/sessions/"+r.id+"/stream?since=0", nil)
	if err != nil {
		return false, err
	}
	request.Header.Set("Authorization", "Bearer "+fireToken)
	if n := len(r.rows); n > 0 {
		request.Header.Set("Last-Event-ID", fmt.Sprint(n))
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return false, nil
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		text, _ := io.ReadAll(answer.Body)
		return false, fmt.Errorf("the stream is refused: %s %s", answer.Status, text)
	}
	r.opened++
	terminal, err = r.read(bufio.NewReader(answer.Body))
	if errors.Is(err, errDropped) {
		err = nil
	}
	return terminal, err
}

// read takes the events of one connection. One that is cut within an event has not
// brought it.
func (r *reader) read(lines *bufio.Reader) (terminal bool, err error) {
	var ev row
	started, turn, announced := false, 0, row{}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return false, nil
		}
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, ":"), line == "" && ev.raw == "":
			continue
		case strings.HasPrefix(line, "id: "):
			ev.ID = line[4:]
			continue
		case strings.HasPrefix(line, "data: "):
			ev.raw = line[6:]
			if err := json.Unmarshal([]byte(ev.raw), &ev.event); err != nil {
				return false, fmt.Errorf("%w: %s", err, line)
			}
			ev.id = ev.Number
			isEvent(r.t, ev.raw)
			continue
		case line != "":
			return false, fmt.Errorf("unexpected line %q", line)
		}
		if started != (ev.Type != "start") {
			return false, fmt.Errorf("a stream begins with start, once: %s", ev.raw)
		}
		switch ev.Type {
		case "start":
			started = true
		case "turn_start":
			announced, turn = ev, ev.Turn
		case "exit", "error", "terminated":
			if ev.id != int64(len(r.rows)) {
				return false, fmt.Errorf("the end does not have the last row's id: %s", ev.raw)
			}
			r.end = ev.event
			return true, nil
		case "output", "stage":
			if ev.Type == "output" && (ev.Turn != turn || announced.id > ev.id) {
				return false, fmt.Errorf("output of a turn that was not announced: %s", ev.raw)
			}
			if err := r.take(ev); err != nil {
				return false, err
			}
		default:
			return false, fmt.Errorf("unexpected event %s", ev.raw)
		}
		ev = row{}
	}
}

// take keeps one row, which has to be the next.
func (r *reader) take(ev row) error {
	if want := int64(len(r.rows)) + 1; ev.id != want || ev.ID != fmt.Sprint(want) {
		return fmt.Errorf("row %d comes where %d has to: %s", ev.id, want, ev.raw)
	}
	r.rows = append(r.rows, ev)
	if r.shot != nil {
		r.shot.row(r.ordeal, ev)
	}
	if r.chance != nil && r.chance.IntN(10) == 0 {
		return errDropped
	}
	return nil
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
