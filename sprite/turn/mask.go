package turn

import (
	"slices"
	"sort"
	"strings"
)

// mask is what is shown in the place of a secret.
const mask = "[redacted]"

// masker hides secrets in a stream, however it is cut. Every byte that is part of a
// secret's occurrence is hidden; occurrences that overlap are hidden as one. What it
// gives does not depend on the cuts, nor on where a new masker took over between
// two things that this one gave.
type masker struct {
	*patterns
	node  int32
	taken int64 // bytes of the stream
	given int64 // of these, the ones that are shown or hidden
	held  []byte
	spans []span // what is to be hidden of the bytes that are not given yet, in order
}

// span is a part of a stream that is hidden.
type span struct{ from, to int64 }

// give takes what a masker gives: bytes to show, or a number of bytes that are
// hidden together. The bytes are valid during the call.
type give func(shown []byte, hidden int)

func newMasker(p *patterns) *masker { return &masker{patterns: p} }

// write takes output on and gives all of it that cannot be part of a secret
// which goes on later.
func (m *masker) write(output []byte, to give) {
	text, own := output, len(m.held) > 0
	if own {
		m.held = append(m.held, output...)
		text = m.held
	}
	m.read(output)
	settled := m.taken - int64(m.nodes[m.node].depth)
	if i := m.after(settled); i < len(m.spans) {
		settled = min(settled, m.spans[i].from)
	}
	rest := m.settle(text, settled, to)
	if len(m.spans) > 0 && m.spans[0].from == m.given { // known to be hidden: its bytes are not needed
		rest = rest[m.spans[0].to-(m.taken-int64(len(rest))):]
	}
	if own && len(rest) > len(text)-len(rest) {
		m.held = rest // moving it each time would be too much work
	} else {
		m.held = append(m.held[:0], rest...)
	}
}

// end gives what is left when the stream has ended.
func (m *masker) end(to give) {
	m.settle(m.held, m.taken, to)
	m.held, m.node = nil, 0
}

// read finds the secrets that end in output.
func (m *masker) read(output []byte) {
	for len(output) > 0 {
		read, node, ends := m.advance(m.node, output)
		output = output[read:]
		m.node = node
		m.taken += int64(read)
		if ends == 0 {
			continue
		}
		found := span{m.taken - int64(ends), m.taken}
		last := len(m.spans) - 1
		for ; last >= 0 && m.spans[last].to > found.from; last-- {
			found.from = min(found.from, m.spans[last].from)
		}
		m.spans = append(m.spans[:last+1], found)
	}
}

// after returns the first span that ends after an offset.
func (m *masker) after(offset int64) int {
	return sort.Search(len(m.spans), func(i int) bool { return m.spans[i].to > offset })
}

// settle gives what comes before the offset until. text is the end of what was
// taken, without what was given and what needs no bytes; the rest of it is
// returned.
func (m *masker) settle(text []byte, until int64, to give) []byte {
	start := m.taken - int64(len(text)) // where text begins in the stream
	done := m.after(until)
	for _, s := range m.spans[:done] {
		if m.given < s.from {
			to(text[m.given-start:s.from-start], 0)
		}
		to(nil, int(s.to-s.from))
		m.given = s.to
	}
	m.spans = slices.Delete(m.spans, 0, done)
	if m.given < until {
		to(text[m.given-start:until-start], 0)
		m.given = until
	}
	return text[max(0, m.given-start):]
}

// hide returns text with the secrets that p finds hidden.
func (p *patterns) hide(text string) string {
	var hidden strings.Builder
	to := func(shown []byte, n int) {
		hidden.Write(shown)
		if n > 0 {
			hidden.WriteString(mask)
		}
	}
	m := newMasker(p)
	m.write([]byte(text), to)
	m.end(to)
	return hidden.String()
}
