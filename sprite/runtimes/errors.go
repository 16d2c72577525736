package runtimes

import "fmt"

// UnknownRuntime refuses a runtime that does not exist: 400.
type UnknownRuntime struct{ Runtime string }

func (e *UnknownRuntime) Error() string {
	return fmt.Sprintf("Unknown runtime: %s. Must be one of: %s", e.Runtime, Quoted(Names()))
}

// UnknownProvider refuses a provider that no runtime stands for: 422.
type UnknownProvider struct{ Provider string }

func (e *UnknownProvider) Error() string {
	return fmt.Sprintf("Unknown provider: %s. Must be one of: %s", e.Provider, Quoted(ProviderNames()))
}

// BadModel refuses the model's form: an entry of a 422 list, for the field model.
type BadModel struct{ Text string }

func (e *BadModel) Error() string { return e.Text }

// Mismatch refuses a model that does not go with the runtime or the provider: 422.
type Mismatch struct{ Text string }

func (e *Mismatch) Error() string { return e.Text }

func badModel(format string, args ...any) error { return &BadModel{fmt.Sprintf(format, args...)} }

func mismatch(format string, args ...any) error { return &Mismatch{fmt.Sprintf(format, args...)} }
