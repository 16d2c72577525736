package server

import "testing"

func TestTextsOfURLsAreMasked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://github.com/a/b":                      "https://github.com/a/b",
		"https://hush@github.com/a/b":                 "[redacted]@github.com/a/b",
		"https://user:hu/sh@github.com/a/b":           "[redacted]@github.com/a/b",
		"clone user:hush@github.com/a now":            "clone [redacted]@github.com/a now",
		"git@github.com:a/b":                          "git@github.com:a/b",
		"https://mcp.example.com/x?key=hush#hush":     "https://mcp.example.com/x?[redacted]",
		"see https://example.com/#token=hush, please": "see https://example.com/#[redacted] please",
		` [{"headers":{"a":"hush"}}]`:                 "[redacted]",
		"is it?":                                      "is it?",
	} {
		if got := masked(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
