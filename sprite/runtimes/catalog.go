// Package runtimes knows the programs that work in a Sprite: which models each
// serves, what it has to find there, and the command that does a turn.
//
// Everything here is a pure function of its arguments: nothing is read, written
// or run.
package runtimes

import (
	"maps"
	"slices"
	"strings"
)

// Runtime is a program that does the work of turns. Each is in a file of its own.
type Runtime struct {
	Name      string
	Providers []string // that it serves, sorted
	Keys      []string // variables of which one holds its provider's key
	Install   *Package // nil: every Sprite has it

	env     []string
	config  func(Agent) ([]File, error)
	skills  func(Agent) ([]File, [][]string, error)
	command func(Turn) Command
	judge   func(events []event) Verdict // nil: its exit code tells
	names   bool                         // its conversations itself
}

var catalog = map[string]*Runtime{}

func register(r *Runtime) *Runtime {
	catalog[r.Name] = r
	return r
}

// providers maps each provider that a request may name to the runtime that it
// means when none is named.
var providers = map[string]string{"anthropic": "claude", "google": "gemini", "openai": "codex"}

// ByName finds a runtime.
func ByName(name string) (*Runtime, bool) {
	r, ok := catalog[name]
	return r, ok
}

// Names are all runtimes, sorted.
func Names() []string { return slices.Sorted(maps.Keys(catalog)) }

// Keys are the variables in which an operator may give a provider's key.
func Keys() []string {
	return []string{"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "OPENAI_API_KEY", "GEMINI_API_KEY"}
}

// Env are the runtime's own switches, as KEY=VALUE, for the environment of each
// of its turns. None is secret.
func (r *Runtime) Env() []string { return slices.Clone(r.env) }

// Config is what the runtime has to find in a Sprite before its first turn.
func (r *Runtime) Config(a Agent) ([]File, error) {
	if r.config == nil {
		return nil, nil
	}
	return r.config(a)
}

// Skills are the files of an agent's own skills and the commands that fetch the
// others.
func (r *Runtime) Skills(a Agent) (files []File, commands [][]string, err error) {
	if r.skills == nil {
		return nil, nil, nil
	}
	return r.skills(a)
}

// Command does a turn.
func (r *Runtime) Command(t Turn) Command {
	c := r.command(t)
	c.Env = r.Env()
	return c
}

// Quoted lists names the way the API's texts do: ['a', 'b'].
func Quoted(names []string) string {
	if len(names) == 0 {
		return "[]"
	}
	return "['" + strings.Join(names, "', '") + "']"
}
