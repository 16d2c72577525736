package client

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// decision is what a person wants of a session that was interrupted.
type decision int

const (
	goOn decision = iota
	detach
	terminate
)

// question asks a person at a terminal what an interrupt shall do. While it is open the
// view shows nothing.
type question struct {
	view    *view
	open    bool
	answers chan string // nil until something was asked
}

// possible says whether there is somebody to be asked.
func (q *question) possible() bool { return terminal(os.Stdin) && terminal(os.Stderr) }

func (q *question) ask(session string) {
	q.view.mu.Lock()
	q.open = true
	q.view.progress.clear()
	fmt.Fprintf(os.Stderr, "\nDetach from session %s and let it work, or terminate it? Ctrl-C again terminates. [d/t, Enter goes on] ", session)
	if q.answers == nil {
		q.answers = make(chan string)
		go read(q.answers)
	}
}

// read passes lines on. It ends with the process: nothing else reads standard input.
func read(answers chan<- string) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		answers <- lines.Text()
	}
	answers <- "detach" // the terminal is gone
}

// decide closes the question if that is an answer.
func (q *question) decide(answer string) decision {
	if !q.open {
		return goOn
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "d", "detach":
		return detach
	case "t", "terminate":
		return terminate
	case "":
		q.close()
	default:
		fmt.Fprint(os.Stderr, "d to detach, t to terminate, Enter to go on: ")
	}
	return goOn
}

func (q *question) close() {
	if q.open {
		q.open = false
		q.view.mu.Unlock()
	}
}
