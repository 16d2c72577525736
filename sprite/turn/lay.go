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
	command := w.runtime.Command(runtimes.Turn{Agent: w.agent(), Number: w.number, Prompt: w.brief.Turn.Prompt})
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
	set := func(name, value string) { fmt.Fprintf(&text, "%s=%s\n", name, quote(value)) }
	setAll := func(values map[string]store.Secret) {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			set(name, values[name].Reveal())
		}
	}
	setAll(w.Keys)
	for _, assignment := range w.runtime.Env() {
		name, value, _ := strings.Cut(assignment, "=")
		set(name, value)
	}
	set("AOD_SESSION_ID", w.brief.Session.RuntimeSessionID)
	set("AOD_MODEL", w.brief.Agent.Model)
	setAll(w.brief.Environment.EnvVars)
	setAll(w.brief.Variables)
	return runtimes.File{Path: envPath, Data: []byte(text.String()), Mode: 0o600}
}
