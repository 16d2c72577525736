package pretty

import (
	"io"
	"unicode"
	"unicode/utf8"
)

// Cleaner writes text without what a terminal would obey: escape sequences, control
// characters but line feeds and tabs, and characters that turn the direction of writing.
type Cleaner struct {
	w     io.Writer
	in    place
	split []byte // a character of which a part has come
}

// place is where in an escape sequence the text is.
type place int

const (
	outside  place = iota
	returned       // after a carriage return
	escaped        // after ESC
	control        // in ESC [ …, to its final letter
	message        // in ESC ] … and its like, to BEL, ESC \ or the line's end
	closing        // after an ESC in a message
)

// Clean returns a Cleaner before w.
func Clean(w io.Writer) *Cleaner { return &Cleaner{w: w} }

// Write writes what is harmless.
func (c *Cleaner) Write(p []byte) (int, error) {
	all := append(c.split, p...)
	out := make([]byte, 0, len(all))
	for len(all) > 0 && utf8.FullRune(all) {
		r, size := utf8.DecodeRune(all)
		all = all[size:]
		out = c.add(out, r)
	}
	c.split = append([]byte(nil), all...)
	if len(out) == 0 {
		return len(p), nil
	}
	_, err := c.w.Write(out)
	return len(p), err
}

// Cleaned is the text without what a terminal would obey, on one line.
func Cleaned(text string) string {
	c := &Cleaner{}
	var out []byte
	for _, r := range text {
		out = c.add(out, r)
	}
	for i, b := range out {
		if b == '\n' || b == '\t' {
			out[i] = ' '
		}
	}
	return string(out)
}

// add appends the character if it is to be seen.
func (c *Cleaner) add(out []byte, r rune) []byte {
	was := c.in
	c.in = outside
	switch {
	case was == returned:
		out = append(out, '\n') // a line that was to be written over stays
		if r == '\n' {
			return out
		}
	case was == escaped && r == '[':
		c.in = control
		return out
	case was == escaped && (r == ']' || r == 'P' || r == 'X' || r == '^' || r == '_'):
		c.in = message
		return out
	case was == escaped && r >= ' ' && r <= '/': // intermediate
		c.in = escaped
		return out
	case was == escaped && r > ' ' && r < 0x7f:
		return out
	case was == control && r >= ' ' && r <= '?':
		c.in = control
		return out
	case was == control && r > '?' && r < 0x7f:
		return out
	case was == message && r == 0x1b:
		c.in = closing
		return out
	case was == message && r != '\a' && r != '\n' && r != 0x9c, was == closing && r != '\\' && r != '\n':
		c.in = message
		return out
	case was == closing && r == '\\':
		return out
	}
	switch {
	case r == '\n' || r == '\t':
		return append(out, string(r)...)
	case r == '\r':
		c.in = returned
	case r == 0x1b:
		c.in = escaped
	case r == 0x9b:
		c.in = control
	case r == 0x90 || r == 0x98 || r == 0x9d || r == 0x9e || r == 0x9f:
		c.in = message
	case !unicode.IsControl(r) && !turns(r):
		return utf8.AppendRune(out, r)
	}
	return out
}

// turns says whether the character changes the direction of what is written.
func turns(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x61c || r == 0x2028 || r == 0x2029
}
