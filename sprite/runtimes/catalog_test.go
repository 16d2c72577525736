package runtimes

import (
	"slices"
	"testing"
)

func TestFiveRuntimesAreKnownInOrder(t *testing.T) {
	t.Parallel()
	if got, want := Quoted(Names()), "['claude', 'codex', 'gemini', 'opencode', 'shell']"; got != want {
		t.Errorf("Names() = %s, want %s", got, want)
	}
	for _, name := range Names() {
		r, ok := ByName(name)
		if !ok || r.Name != name || !slices.IsSorted(r.Providers) || len(r.Providers) == 0 {
			t.Errorf("ByName(%q) = %+v, %v", name, r, ok)
		}
	}
	if r, ok := ByName("cursor"); ok {
		t.Errorf("ByName(cursor) = %+v", r)
	}
}

func TestEveryKeyOfARuntimeIsAnOperatorsKey(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		r, _ := ByName(name)
		for _, key := range r.Keys {
			if !slices.Contains(Keys(), key) {
				t.Errorf("%s takes %s, which is not among Keys()", name, key)
			}
		}
	}
}

func TestNobodyCanChangeTheCatalogsLists(t *testing.T) {
	t.Parallel()
	r, _ := ByName("claude")
	r.Env()[0] = "BROKEN=1"
	Keys()[0] = "BROKEN"
	if slices.Contains(r.Env(), "BROKEN=1") || slices.Contains(Keys(), "BROKEN") {
		t.Error("a caller's change of a list reached the next caller")
	}
}

func TestProgramsAreThoseOfTheArchitecture(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ runtime, arch, want string }{
		{"claude", "amd64", "node_modules/@anthropic-ai/claude-code-linux-x64/claude"},
		{"claude", "arm64", "node_modules/@anthropic-ai/claude-code-linux-arm64/claude"},
		{"claude", "riscv64", ""},
		{"codex", "amd64", "node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex"},
		{"codex", "arm64", "node_modules/@openai/codex-linux-arm64/vendor/aarch64-unknown-linux-musl/bin/codex"},
		{"gemini", "riscv64", "node_modules/@google/gemini-cli/bundle/gemini.js"},
		{"opencode", "amd64", "node_modules/opencode-linux-x64/bin/opencode"},
	} {
		r, _ := ByName(c.runtime)
		if got := r.Install.Programs(c.arch)[r.Install.Binary]; got != c.want {
			t.Errorf("%s on %s: %q, want %q", c.runtime, c.arch, got, c.want)
		}
	}
}
