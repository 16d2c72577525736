package turn

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// plainly hides secrets in the simplest way: it looks for each one at each place.
func plainly(secrets []string, text string) string {
	type found struct{ from, to int }
	var all []found
	for to := range len(text) + 1 {
		for _, s := range secrets {
			if s == "" || !strings.HasSuffix(text[:to], s) {
				continue
			}
			next := found{to - len(s), to}
			for len(all) > 0 && all[len(all)-1].to > next.from {
				next.from = min(next.from, all[len(all)-1].from)
				all = all[:len(all)-1]
			}
			all = append(all, next)
		}
	}
	var shown strings.Builder
	at := 0
	for _, f := range all {
		shown.WriteString(text[at:f.from] + mask)
		at = f.to
	}
	return shown.String() + text[at:]
}

// shown is what a masker gave, and how much of the stream that was.
type shown struct {
	text strings.Builder
	raw  int
}

func (s *shown) to(text []byte, hidden int) {
	s.text.Write(text)
	s.raw += len(text) + hidden
	if hidden > 0 {
		s.text.WriteString(mask)
	}
}

// inPieces hides secrets in text that comes in random pieces. At random instants the
// masker is lost, and another one takes over after a random one of the things that
// were given.
func inPieces(random *rand.Rand, secrets []string, text string) string {
	known := newPatterns(secrets)
	var kept shown
	for {
		m := newMasker(known)
		type step struct {
			text []byte
			raw  int
		}
		var steps []step
		to := func(text []byte, hidden int) {
			if hidden > 0 {
				steps = append(steps, step{[]byte(mask), hidden})
				return
			}
			for len(text) > 0 { // a row may end between any two bytes that are shown
				n := 1 + random.IntN(len(text))
				steps = append(steps, step{bytes.Clone(text[:n]), n})
				text = text[n:]
			}
		}
		rest := text[kept.raw:]
		lost := random.IntN(4) > 0
		for rest != "" && (!lost || random.IntN(6) > 0) {
			n := min(len(rest), 1+random.IntN(1+random.IntN(20)))
			m.write([]byte(rest[:n]), to)
			rest = rest[n:]
		}
		if !lost {
			m.end(to)
		} else if len(steps) > 0 {
			steps = steps[:random.IntN(len(steps)+1)]
		}
		for _, s := range steps {
			kept.text.Write(s.text)
			kept.raw += s.raw
		}
		if !lost {
			return kept.text.String()
		}
	}
}

func TestMaskHidesEverySecretWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		secrets    string // separated by spaces
		text, want string
	}{
		{"", "nothing", "nothing"},
		{"12345678", "", ""},
		{"12345678", "a12345678b12345678", "a[redacted]b[redacted]"},
		{"12345678", "1234567812345678", "[redacted][redacted]"},
		{"12345678", "1234567", "1234567"},
		{"12345678", "123456123456781234567", "123456[redacted]1234567"},
		{"12345678 123456789", "123456789", "[redacted]"},
		{"12345678 123456789", "12345678x", "[redacted]x"},
		{"12345678 1234567890ab", "1234567890aX", "[redacted]90aX"},
		{"abcdefgh efghijkl", "xabcdefghijkly", "x[redacted]y"},
		{"abcdefgh cdefghijklm", "abcdefghijkl", "[redacted]ijkl"},
		{"abcdefghijkl defghijk", "abcdefghijk", "abc[redacted]"},
		{"abcdefghijkl defghijk", "abcdefghijklm", "[redacted]m"},
		{"abcdefghijkl cdefghij efghijklmnop", "abcdefghijklmnop", "[redacted]"},
		{"aaaaaaaa", strings.Repeat("a", 1000) + "b", "[redacted]b"},
		{"abababab", "abababababa", "[redacted]a"},
		{"pässwörd", "ein pässwörd!", "ein [redacted]!"},
		{"pässwörd", "ein p\xc3ässwörd\xc3!", "ein p\xc3ässwörd\xc3!"},
	} {
		secrets := strings.Fields(c.secrets)
		if got := newPatterns(secrets).hide(c.text); got != c.want {
			t.Errorf("%q in %q: %q, want %q", secrets, c.text, got, c.want)
		}
		if got := plainly(secrets, c.text); got != c.want {
			t.Errorf("plainly, %q in %q: %q, want %q", secrets, c.text, got, c.want)
		}
	}
}

// What is shown does not depend on how the stream is cut, nor on where a masker was
// lost and the next one took over.
func TestMaskIsTheSameHoweverOutputIsCut(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 1000 {
		letters := "abcé"[:1+random.IntN(5)]
		word := func(n int) string {
			b := make([]byte, n)
			for i := range b {
				b[i] = letters[random.IntN(len(letters))]
			}
			return string(b)
		}
		var secrets []string
		for range random.IntN(6) {
			secrets = append(secrets, word(1+random.IntN(12)))
		}
		text := word(random.IntN(200))
		for range random.IntN(10) {
			if len(secrets) > 0 {
				text += secrets[random.IntN(len(secrets))] + word(random.IntN(8))
			}
		}
		if got, want := inPieces(random, secrets, text), plainly(secrets, text); got != want {
			t.Fatalf("seed %d: %q in %q: %q, want %q", seed, secrets, text, got, want)
		}
	}
}

// Output that cannot be the beginning of a secret is given at once, and no more is
// kept than may be one.
func TestMaskHoldsBackOnlyWhatMayBeSecret(t *testing.T) {
	t.Parallel()
	m := newMasker(newPatterns([]string{"secret-one", "tonigh_", "oneself"}))
	var got shown
	for _, c := range []struct{ write, want string }{
		{"token=", "token="},
		{"sec", ""},
		{"ond\n", "second\n"},
		{"not", "no"},
		{"onigh_", "[redacted]"},
		{"secret-one", ""}, // "one" may begin another one
		{"\n", "[redacted]\n"},
		{"secret-oneself", "[redacted]"},
	} {
		before := got.text.Len()
		m.write([]byte(c.write), got.to)
		if now := got.text.String()[before:]; now != c.want {
			t.Errorf("after %q: %q, want %q", c.write, now, c.want)
		}
	}
	m.write([]byte("secret-on"), got.to)
	before := got.text.Len()
	m.end(got.to)
	if now := got.text.String()[before:]; now != "secret-on" {
		t.Errorf("at the end: %q", now)
	}
}

// A secret that repeats itself without an end does not fill the memory.
func TestMaskKeepsNothingOfWhatIsHidden(t *testing.T) {
	t.Parallel()
	m := newMasker(newPatterns([]string{"aaaaaaaa", "aaaab"}))
	var got shown
	chunk := bytes.Repeat([]byte("a"), 1<<16)
	for range 20 {
		m.write(chunk, got.to)
		if len(m.held) > 16 || cap(m.held) > 4*len(chunk) || len(m.spans) > 1 {
			t.Fatalf("%d bytes and %d spans are held, %d bytes kept", len(m.held), len(m.spans), cap(m.held))
		}
	}
	m.write([]byte("bc"), got.to)
	if got.text.String() != mask+"c" || got.raw != 20<<16+2 {
		t.Errorf("%d bytes are %q", got.raw, got.text.String())
	}
}

// A long secret that arrives byte by byte is not gone through again for each.
func TestMaskTakesLongSecretsByteByByte(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("0123456789abcdef", 1<<14)
	m := newMasker(newPatterns([]string{secret, "3456789a"}))
	var got shown
	text := secret[:len(secret)-1] + "!" + secret
	for i := range len(text) {
		m.write([]byte(text[i:i+1]), got.to)
	}
	m.end(got.to)
	if want := strings.ReplaceAll(secret[:len(secret)-1], "3456789a", mask) + "!" + mask; got.text.String() != want {
		t.Errorf("%d bytes, want %d", got.text.Len(), len(want))
	}
}

func FuzzMask(f *testing.F) {
	f.Add("12345678 123456789", "a123456789b12345678", uint64(1))
	f.Add("aba bab aaaa", "ababababaaaaaab", uint64(2))
	f.Add("\xf0\x9f \x9f\x98", "\xf0\x9f\x98\x80", uint64(3))
	f.Fuzz(func(t *testing.T, secrets, text string, seed uint64) {
		all := strings.Split(secrets, " ")
		if len(text) > 1<<10 || len(secrets) > 1<<8 {
			return
		}
		if got, want := inPieces(rand.New(rand.NewPCG(seed, 0)), all, text), plainly(all, text); got != want {
			t.Fatalf("%q in %q: %q, want %q", all, text, got, want)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	const size = 32 << 10
	random := rand.New(rand.NewPCG(1, 2))
	letters := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	word := func(n int) string {
		w := make([]byte, n)
		for i := range w {
			w[i] = letters[random.IntN(len(letters))]
		}
		return string(w)
	}
	var secrets []string
	for i := range 20 {
		secrets = append(secrets, []string{"sk-ant-api03-", "ghp_", "", "password"}[i%4]+word(8+random.IntN(60)))
	}
	var log, base64, lines, dense strings.Builder
	for i := 0; log.Len() < size; i++ {
		fmt.Fprintf(&log, `{"type":"assistant","number":%d,"message":{"content":[{"type":"text","text":"The password of the %s is in the file"}]}}`+"\n", i, word(5))
	}
	base64.WriteString(word(size))
	for dense.Len() < size {
		dense.WriteString("token=" + secrets[random.IntN(len(secrets))] + "\n")
	}
	for i := 0; lines.Len() < size; i++ {
		fmt.Fprintf(&lines, "sk-ant-api03-%d\n", i) // each begins like secrets
	}
	for _, c := range []struct {
		name    string
		secrets []string
		text    string
	}{
		{"no secrets/log", nil, log.String()},
		{"1 secret/log", secrets[:1], log.String()},
		{"20 secrets/log", secrets, log.String()},
		{"20 secrets/random", secrets, base64.String()},
		{"20 secrets/alike", secrets, lines.String()},
		{"20 secrets/secrets", secrets, dense.String()},
		{"overlapping/a", []string{"aaaaaaaa", "aaaaaaaaaaaaaaaab"}, strings.Repeat("a", size)},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := newMasker(newPatterns(c.secrets))
			chunk := []byte(c.text)[:size]
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				m.write(chunk, func([]byte, int) {})
			}
		})
	}
	b.Run("20 secrets/build", func(b *testing.B) {
		texts := slices.Clone(secrets)
		for b.Loop() {
			newPatterns(texts)
		}
	})
}
