package runtimes

import (
	"fmt"
	"strings"
	"testing"
)

func TestModelsAreStoredInOneForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ runtime, provider, model, want string }{
		{"claude", "", "claude-sonnet-4-6", "anthropic/claude-sonnet-4-6"},
		{"claude", "", "anthropic/claude-sonnet-4-6", "anthropic/claude-sonnet-4-6"},
		{"claude", "anthropic", "claude-haiku-4-5", "anthropic/claude-haiku-4-5"},
		{"claude", "anthropic", "anthropic/claude-haiku-4-5", "anthropic/claude-haiku-4-5"},
		{"codex", "", "openai/gpt-4.1", "openai/gpt-4.1"},
		{"codex", "openai", "o4-mini", "openai/o4-mini"},
		{"gemini", "google", "gemini-2.5-pro", "google/gemini-2.5-pro"},
		{"opencode", "", "google/gemini-2.5-flash", "google/gemini-2.5-flash"},
		{"opencode", "openai", "o3", "openai/o3"},
		{"opencode", "anthropic", "anthropic/a/b:c@d_e", "anthropic/a/b:c@d_e"},
		{"shell", "", "", "local/bash"},
		{"shell", "", "bash", "local/bash"},
		{"shell", "", "local/bash", "local/bash"},
		{"shell", "local", "bash", "local/bash"},
	} {
		got, err := Model(c.runtime, c.provider, c.model)
		if err != nil || got != c.want {
			t.Errorf("Model(%q, %q, %q) = %q, %v, want %q", c.runtime, c.provider, c.model, got, err, c.want)
		}
	}
}

func TestModelsAreRefusedInTheContractsWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ runtime, provider, model, kind, text string }{
		{"cursor", "", "x", "*runtimes.UnknownRuntime", "Unknown runtime: cursor. Must be one of: ['claude', 'codex', 'gemini', 'opencode', 'shell']"},
		{"Claude", "", "x", "*runtimes.UnknownRuntime", "Unknown runtime: Claude. Must be one of: ['claude', 'codex', 'gemini', 'opencode', 'shell']"},
		{"claude", "mistral", "x", "*runtimes.UnknownProvider", "Unknown provider: mistral. Must be one of: ['anthropic', 'google', 'openai']"},
		{"claude", "local", "x", "*runtimes.UnknownProvider", "Unknown provider: local. Must be one of: ['anthropic', 'google', 'openai']"},
		{"claude", "", "", "*runtimes.BadModel", "Model must be a non-empty string"},
		{"cursor", "", "", "*runtimes.BadModel", "Model must be a non-empty string"},
		{"claude", "", " \t\n", "*runtimes.BadModel", "Model must be a non-empty string"},
		{"shell", "", " ", "*runtimes.BadModel", "Model must be a non-empty string"},
		{"opencode", "", "o3", "*runtimes.BadModel", "Model must be 'provider/model_id' for runtime opencode"},
		{"claude", "", "claude sonnet", "*runtimes.BadModel", "Model must contain only letters, digits and '._-:/@'"},
		{"claude", "", "anthropic/clàude", "*runtimes.BadModel", "Model must contain only letters, digits and '._-:/@'"},
		{"claude", "", "anthropic/x\n", "*runtimes.BadModel", "Model must contain only letters, digits and '._-:/@'"},
		{"claude", "", "anthropic/", "*runtimes.BadModel", "Model 'anthropic/' must be 'provider/model_id' with neither of the two empty"},
		{"claude", "", "/x", "*runtimes.BadModel", "Model '/x' must be 'provider/model_id' with neither of the two empty"},
		{"shell", "", "zsh", "*runtimes.BadModel", "Model must be 'local/bash' for runtime shell"},
		{"claude", "", "openai/o3", "*runtimes.Mismatch", "Runtime claude cannot serve model openai/o3: provider openai not in ['anthropic']"},
		{"claude", "openai", "o3", "*runtimes.Mismatch", "Runtime claude cannot serve model openai/o3: provider openai not in ['anthropic']"},
		{"opencode", "", "local/bash", "*runtimes.Mismatch", "Runtime opencode cannot serve model local/bash: provider local not in ['anthropic', 'google', 'openai']"},
		{"shell", "", "openai/o3", "*runtimes.Mismatch", "Runtime shell cannot serve model openai/o3: provider openai not in ['local']"},
		{"claude", "anthropic", "openai/o3", "*runtimes.Mismatch", "Model provider prefix 'openai' does not match provider 'anthropic'"},
	} {
		got, err := Model(c.runtime, c.provider, c.model)
		if err == nil || fmt.Sprintf("%T", err) != c.kind || err.Error() != c.text {
			t.Errorf("Model(%q, %q, %q) = %q, %T %v\nwant %s %s", c.runtime, c.provider, c.model, got, err, err, c.kind, c.text)
		}
	}
}

func TestProviderAloneMeansItsRuntime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		runtime, provider *string
		want, refusal     string
	}{
		{nil, new("anthropic"), "claude", ""},
		{nil, new("openai"), "codex", ""},
		{nil, new("google"), "gemini", ""},
		{new("opencode"), new("google"), "opencode", ""},
		{new("shell"), nil, "shell", ""},
		{nil, new("mistral"), "", "*runtimes.UnknownProvider"},
		{nil, new(""), "", "*runtimes.UnknownProvider"},
		{new(""), new("google"), "", "*runtimes.UnknownRuntime"},
		{new("cursor"), nil, "", "*runtimes.UnknownRuntime"},
		{nil, nil, "", "*runtimes.UnknownRuntime"},
	} {
		got, err := ResolveRuntime(c.runtime, c.provider)
		if got != c.want || (err != nil || c.refusal != "") && fmt.Sprintf("%T", err) != c.refusal {
			t.Errorf("%+v: %q, %T", c, got, err)
		}
	}
}

func TestProviderFollowsTheModelThenTheRuntime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ runtime, model, want string }{
		{"claude", "anthropic/claude-sonnet-4-6", "anthropic"},
		{"opencode", "google/gemini-2.5-pro", "google"},
		{"shell", "local/bash", "local"},
		{"claude", "", "anthropic"},
		{"codex", "", "openai"},
		{"gemini", "", "google"},
		{"opencode", "", "opencode"},
		{"shell", "", "shell"},
	} {
		if got := ProviderOf(c.runtime, c.model); got != c.want {
			t.Errorf("ProviderOf(%q, %q) = %q, want %q", c.runtime, c.model, got, c.want)
		}
	}
}

func FuzzModel(f *testing.F) {
	f.Add("claude", "", "claude-sonnet-4-6")
	f.Add("opencode", "openai", "openai/o3")
	f.Add("shell", "", "")
	f.Add("gemini", "google", "a//b")
	f.Fuzz(func(t *testing.T, runtime, provider, model string) {
		got, err := Model(runtime, provider, model)
		if err != nil {
			return
		}
		if again, err := Model(runtime, provider, got); err != nil || again != got {
			t.Errorf("Model(%q) = %q, whose own form is %q, %v", model, got, again, err)
		}
		r, _ := ByName(runtime)
		prefix, id, _ := strings.Cut(got, "/")
		if !strings.Contains(Quoted(r.Providers), "'"+prefix+"'") || id == "" || !strings.HasSuffix(got, model) {
			t.Errorf("Model(%q, %q, %q) = %q", runtime, provider, model, got)
		}
	})
}
