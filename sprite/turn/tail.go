package turn

import (
	"bytes"
	"unicode/utf8"
)

// stderrShown is how many characters of a failed script's error output its failure
// quotes: the last ones.
const stderrShown = 2000

// tail keeps the end of what is written to it, with the secrets hidden: half a
// secret would not be known as one.
type tail struct {
	masker *masker
	kept   bytes.Buffer
}

func (w *worker) tail() *tail { return &tail{masker: newMasker(newPatterns(w.secrets()))} }

func (t *tail) Write(b []byte) (int, error) {
	t.masker.write(b, t.keep)
	return len(b), nil
}

func (t *tail) keep(shown []byte, hidden int) {
	if hidden > 0 {
		shown = []byte(mask)
	}
	t.kept.Write(shown)
	if over := t.kept.Len() - stderrShown*utf8.UTFMax; over > 0 {
		t.kept.Next(over)
	}
}

// String ends the writing. It is what a failure quotes.
func (t *tail) String() string {
	t.masker.end(t.keep)
	characters := []rune(t.kept.String())
	return string(characters[max(0, len(characters)-stderrShown):])
}
