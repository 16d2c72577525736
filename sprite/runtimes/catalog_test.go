package runtimes

import (
	"slices"
	"testing"
)

func TestFiveRuntimesAreKnownAndTwoCanRun(t *testing.T) {
	t.Parallel()
	if got, want := Quoted(Names()), "['claude', 'codex', 'gemini', 'opencode', 'shell']"; got != want {
		t.Errorf("Names() = %s, want %s", got, want)
	}
	if got, want := Quoted(Runnable()), "['claude', 'shell']"; got != want {
		t.Errorf("Runnable() = %s, want %s", got, want)
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

func TestExecutableIsTheNativeProgramOfTheArchitecture(t *testing.T) {
	t.Parallel()
	r, _ := ByName("claude")
	for arch, want := range map[string]string{
		"amd64":   "node_modules/@anthropic-ai/claude-code-linux-x64/claude",
		"arm64":   "node_modules/@anthropic-ai/claude-code-linux-arm64/claude",
		"riscv64": "",
	} {
		if got := r.Install.Executable(arch); got != want {
			t.Errorf("Executable(%s) = %q, want %q", arch, got, want)
		}
	}
}
