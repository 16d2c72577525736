package tests

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// script is what a turn runs, and what it writes.
type script struct {
	text   strings.Builder
	stdout strings.Builder
	stderr strings.Builder
}

// newScript makes turn number n of a session: it notes in the Sprite that it runs,
// writes that many numbered lines to both streams, with short pauses, and says at last
// how often each turn has run.
func newScript(chance *rand.Rand, n, lines int) *script {
	s := &script{}
	fmt.Fprintf(&s.text, "echo %d >> ~/runs\n", n)
	for i := range lines {
		s.line(chance, i)
	}
	s.text.WriteString("cat ~/runs; touch ~/over\n")
	for i := range n {
		fmt.Fprintf(&s.stdout, "%d\n", i+1)
	}
	return s
}

// line writes one numbered line: short or long, of characters of one byte or more,
// cut within one or not, UTF-8 or not.
func (s *script) line(chance *rand.Rand, i int) {
	to, stream := "", &s.stdout
	if chance.IntN(2) == 0 {
		to, stream = " >&2", &s.stderr
	}
	fmt.Fprintf(stream, "%d ", i)
	fmt.Fprintf(&s.text, "printf '%d '%s\n", i, to)
	var parts []string
	switch chance.IntN(8) {
	case 0: // long
		width := 1 + chance.IntN(60_000)
		fmt.Fprintf(&s.text, "printf '%%0%dd\\n' 0%s\n", width, to)
		stream.WriteString(strings.Repeat("0", width) + "\n")
		return
	case 1: // not UTF-8
		parts = []string{"bad \xff\xc3", "( \xe2\x82 \xed\xa0\x80\n"}
	case 2: // cut within a character
		parts = []string{"\xf0\x9f", "\x98\x80 \xe2", "\x82", "\xac\n"}
	case 3:
		parts = []string{"é€\U0001f600\u0085\u2028 ü\n"}
	default:
		parts = []string{strings.Repeat("x", chance.IntN(200)) + "\n"}
	}
	for _, part := range parts {
		fmt.Fprintf(&s.text, "printf '%s'%s\n", octal(part), to)
		stream.WriteString(part)
		if chance.IntN(3) == 0 {
			fmt.Fprintf(&s.text, "sleep 0.%03d\n", chance.IntN(40))
		}
	}
}

// octal is a text for printf, in ASCII.
func octal(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, `\%03o`, c)
	}
	return b.String()
}

// shown is how a stream shows what was written: bytes that are not UTF-8 as U+FFFD.
func shown(written string) string { return string([]rune(written)) }
