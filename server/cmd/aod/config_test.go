//go:build linux

package main

import (
	"testing"
	"time"
)

func TestTimesAreReadFromTheFlagFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flag, variable string
		want           time.Duration
	}{
		{"", "", time.Hour}, {"", "90s", 90 * time.Second}, {"2h", "90s", 2 * time.Hour}, {"", "0", 0}, {"0", "90s", 0}, {"0s", "", 0}, {"1s", "soon", time.Second},
	} {
		e := &environment{lookup: func(string) (string, bool) { return c.variable, true }}
		if got := e.duration("NAME", c.flag, time.Hour); got != c.want || e.err != nil {
			t.Errorf("%q, %q: %v, %v", c.flag, c.variable, got, e.err)
		}
	}
	for _, text := range []string{"7d", "-1s", "1ms", "168", "soon", "99999999h"} {
		e := &environment{lookup: func(string) (string, bool) { return "", false }}
		if got := e.duration("NAME", text, time.Hour); e.err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
