package turn

import (
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/agent-on-demand/aod/store"
)

// journal is a turn's folder in its Sprite, as the Sprite's commands see it. The
// turn runs on its own there and writes its output to two files that only grow,
// so it needs no connection, and every byte has an offset for good.
//
// What the folder has:
//
//	prompt          the turn's standard input, written before the launch and removed by it
//	alive           made by the launch that starts the turn; locked for as long as the turn's runner lives
//	pid             of the runner, which leads a session of its own
//	stdout, stderr  what the command has written
//	exit            how the turn ended: exit N, or timeout
type journal struct{ dir string }

// taskSocket is where a Sprite takes the Tasks that keep it awake.
const taskSocket = "/.sprite/api.sock"

// launch starts the turn and is done as soon as it runs. A turn that was launched
// before, whatever became of it, is left alone. The command gets the variables of
// the file env, and has so many seconds; 0 is no limit.
func (j journal) launch(env string, limit int, command []string) []string {
	return j.launchHolding(taskSocket, env, limit, command)
}

func (j journal) launchHolding(socket, env string, limit int, command []string) []string {
	return append(shell(launchScript, j.dir, dense(runScript), socket, env, strconv.Itoa(limit)), command...)
}

// ends prints the beginning and the end of the turn's output.
func (j journal) ends() []string { return shell(endsScript, j.dir) }

// follow prints a journal from an offset on as it grows, until the turn has ended.
// A rest may be unread then.
func (j journal) follow(stream store.Stream, from int64) []string {
	return shell(followScript, j.dir, string(stream), strconv.FormatInt(from, 10))
}

// rest prints what a journal has from an offset on.
func (j journal) rest(stream store.Stream, from int64) []string {
	return shell(restScript, j.dir, string(stream), strconv.FormatInt(from, 10))
}

// state prints a line for parseState.
func (j journal) state() []string { return shell(stateScript, j.dir) }

type stateKind string

// A turn is missing until it is launched, and running for as long as its runner
// lives. It is lost if the runner is gone without having said how the turn ended.
const (
	stateMissing  stateKind = "missing"
	stateRunning  stateKind = "running"
	stateExited   stateKind = "exit"
	stateTimedOut stateKind = "timeout"
	stateLost     stateKind = "lost"
)

// state is what has become of a turn; the code is that of one that exited.
type state struct {
	kind stateKind
	code int
}

// parseState reads what state printed. Anybody in the Sprite may have written it.
func parseState(line string) (state, error) {
	line = strings.TrimSuffix(line, "\n")
	switch kind := stateKind(line); kind {
	case stateMissing, stateRunning, stateTimedOut, stateLost:
		return state{kind: kind}, nil
	}
	if digits, exited := strings.CutPrefix(line, "exit "); exited {
		code, err := strconv.Atoi(digits)
		if err == nil && code >= 0 && code <= 255 && strconv.Itoa(code) == digits {
			return state{stateExited, code}, nil
		}
	}
	return state{}, fmt.Errorf("the Sprite says %.40q of the turn's state", line)
}

var (
	//go:embed journal/launch.sh
	launchScript string
	//go:embed journal/run.sh
	runScript string
	//go:embed journal/follow.sh
	followScript string
	//go:embed journal/rest.sh
	restScript string
	//go:embed journal/ends.sh
	endsScript string
	//go:embed journal/state.sh
	stateScript string
)

func shell(script string, args ...string) []string {
	return append([]string{"sh", "-c", dense(script), "aod"}, args...)
}

// dense leaves out what only a reader needs: a command travels in a URL.
func dense(script string) string { return padding.ReplaceAllString(script, "") }

var padding = regexp.MustCompile(`(?m)^\t+|^#.*\n|^\n`)
