package turn

import (
	"strings"
	"testing"
)

func TestProgressIsTheLastWholeLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ written, want string }{
		{"", ""},
		{"half", ""},
		{"one\ntwo\nthr", "two"},
		{"  10 %\r  20 %\r", "20 %"},
		{"one\n\n \t\n", "one"},
		{"bad \xff byte\n", "bad \ufffd byte"},
		{strings.Repeat("x", longestReport) + "\n", strings.Repeat("x", longestReport)},
		{"short\n" + strings.Repeat("x", longestReport+1) + "\nha", "short"},
	} {
		p := &progress{}
		for _, b := range []byte(c.written) {
			p.Write([]byte{b})
		}
		if got := p.take(); got != c.want {
			t.Errorf("%q: %q", c.written, got)
		}
		if got := p.take(); got != "" {
			t.Errorf("%q again: %q", c.written, got)
		}
	}
}
