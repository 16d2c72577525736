package turn

import (
	"unicode/utf8"

	"github.com/agent-on-demand/aod/store"
)

// flow is the state of one stream.
type flow struct {
	stream  store.Stream
	masker  *masker
	carried []byte // the beginning of a character
	taken   int64
	aside   bool // what it takes is no output of the turn and does not count
}

// piece is output of one stream that becomes a row.
type piece struct {
	stream store.Stream
	data   []byte
	raw    int64 // bytes of output that data stands for
}

// to returns what takes the output that f's masker gives.
func (r *recorder) to(f *flow) give {
	return func(shown []byte, hidden int) {
		if hidden > 0 {
			r.add(f, f.carried) // what the secret cut off, shown as U+FFFD
			f.carried = f.carried[:0]
			p := r.piece(f, rowSize-len(mask))
			p.data = append(p.data, mask...)
			p.count(f, hidden)
			return
		}
		if len(f.carried) > 0 {
			shown = append(f.carried, shown...)
		}
		cut := len(shown) - incomplete(shown)
		r.add(f, shown[:cut])
		f.carried = append(f.carried[:0], shown[cut:]...)
	}
}

// add appends data to what is waiting, in pieces that end between characters.
func (r *recorder) add(f *flow, data []byte) {
	for len(data) > 0 {
		p := r.piece(f, rowSize-utf8.UTFMax)
		n := min(len(data), rowSize-len(p.data))
		if n < len(data) {
			n -= incomplete(data[:n])
		}
		p.data = append(p.data, data[:n]...)
		p.count(f, n)
		data = data[n:]
	}
}

// count notes that n bytes of f's output are in the piece.
func (p *piece) count(f *flow, n int) {
	if !f.aside {
		p.raw += int64(n)
	}
}

// piece returns the last piece if it is of f's stream and at most full bytes long,
// else a new one.
func (r *recorder) piece(f *flow, full int) *piece {
	last := len(r.waiting) - 1
	if last < 0 || r.waiting[last].stream != f.stream || len(r.waiting[last].data) > full {
		r.waiting = append(r.waiting, piece{stream: f.stream})
		last++
	}
	return &r.waiting[last]
}

// incomplete returns how many bytes at the end of b are the beginning of a
// character that may go on after b: 0 to 3.
func incomplete(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		tail := b[len(b)-n:]
		if utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
