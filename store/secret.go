package store

import "log/slog"

const redacted = "[redacted]"

// Secret is a text that prints, logs and encodes as [redacted].
type Secret struct{ text string }

// NewSecret wraps text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text itself. Only what prepares a Sprite has a use for it.
func (s Secret) Reveal() string { return s.text }

// String hides the text.
func (s Secret) String() string { return redacted }

// GoString hides the text from %#v.
func (s Secret) GoString() string { return redacted }

// LogValue hides the text from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the text from every encoder, encoding/json included.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

var _ slog.LogValuer = Secret{}
