package turn

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agent-on-demand/aod/sprite/runtimes"
	"github.com/agent-on-demand/aod/store"
)

// lay puts the turn's files in place and returns the command that launches it.
func (w *worker) lay() ([]string, error) {
	if err := w.locate(w.ctx); err != nil {
		return nil, err
	}
	command := w.runtime.Command(runtimes.Turn{Agent: w.agent(), Number: w.number, Prompt: w.brief.Turn.Prompt, Conversation: w.brief.Session.Conversation})
	files := []runtimes.File{{Path: w.folder() + "/prompt", Data: command.Stdin, Mode: 0o600}, w.envFile()}
	if err := w.write(w.ctx, files); err != nil {
		return nil, err
	}
	return w.journal.launch(w.place.Real(envPath), w.brief.Turn.Timeout, command.Argv), nil
}

// folder is where the turn's files are written to.
func (w *worker) folder() string { return fmt.Sprintf("%s/.aod/turns/%d", home, w.number) }

// locate finds out where the Sprite's commands find its files.
func (w *worker) locate(ctx context.Context) error {
	home, err := w.Sprites.Home(ctx, w.brief.Session.Sprite)
	if err != nil {
		return err
	}
	w.place = runtimes.PlaceAt(home)
	w.journal = journal{w.place.Real(w.folder())}
	return nil
}

// makeEnvFile makes the file that gets the variables with each turn: no setup shall find
// them, for what it leaves may be where other sessions start from.
func (w *worker) makeEnvFile(ctx context.Context) error {
	return w.write(ctx, []runtimes.File{{Path: envPath, Mode: 0o600}})
}

// envFile has one assignment a line for a shell to read; of two of the same
// name, the later one counts.
func (w *worker) envFile() runtimes.File {
	var text strings.Builder
	for _, v := range w.assignments() {
		fmt.Fprintf(&text, "%s=%s\n", v.name, quote(v.value))
	}
	return runtimes.File{Path: envPath, Data: []byte(text.String()), Mode: 0o600}
}

type assignment struct{ name, value string }

// assignments are the session's variables, secret or not, in the order in which they
// are set.
func (w *worker) assignments() []assignment {
	var all []assignment
	setAll := func(values map[string]store.Secret) {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			all = append(all, assignment{name, values[name].Reveal()})
		}
	}
	setAll(w.Keys)
	for _, own := range w.runtime.Env() {
		name, value, _ := strings.Cut(own, "=")
		all = append(all, assignment{name, value})
	}
	all = append(all, assignment{"AOD_SESSION_ID", w.brief.Session.RuntimeSessionID}, assignment{"AOD_MODEL", w.brief.Agent.Model})
	setAll(w.brief.Environment.EnvVars)
	setAll(w.brief.Variables)
	return all
}

func (w *worker) variables() map[string]string {
	values := map[string]string{}
	for _, v := range w.assignments() {
		values[v.name] = v.value
	}
	return values
}
