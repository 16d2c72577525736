//go:build linux

package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTimesAreReadFromTheFlagFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flag, variable string
		want           time.Duration
	}{
		{"", "", 168 * time.Hour}, {"", "90s", 90 * time.Second}, {"2h", "90s", 2 * time.Hour}, {"", "0", 0}, {"0", "90s", 0}, {"0s", "", 0}, {"1s", "soon", time.Second},
	} {
		e := &environment{flags: flags{"AOD_SPRITE_IDLE_TTL": &c.flag}, lookup: func(string) (string, bool) { return c.variable, true }}
		if got := e.duration("AOD_SPRITE_IDLE_TTL"); got != c.want || e.err != nil {
			t.Errorf("%q, %q: %v, %v", c.flag, c.variable, got, e.err)
		}
	}
	for _, text := range []string{"7d", "-1s", "1ms", "168", "soon", "99999999h"} {
		e := &environment{flags: flags{"AOD_SPRITE_IDLE_TTL": &text}, lookup: func(string) (string, bool) { return "", false }}
		if got := e.duration("AOD_SPRITE_IDLE_TTL"); e.err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// Every setting is in the help, with what it is without a word, in lines that fit a terminal.
func TestHelpKnowsEverySetting(t *testing.T) {
	t.Parallel()
	help := settingsHelp()
	for _, s := range settings {
		if !slices.Contains(strings.FieldsFunc(help, func(r rune) bool { return strings.ContainsRune(" ,\n", r) }), s.name) {
			t.Errorf("%s is not in the help", s.name)
		}
		if s.without() == "" || s.help == "" {
			t.Errorf("%s is not explained", s.name)
		}
	}
	for line := range strings.Lines(help) {
		if len(line) > helpWidth+1 || !strings.HasPrefix(line, "  ") {
			t.Errorf("%q", line)
		}
	}
}
