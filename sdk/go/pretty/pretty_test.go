package pretty

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "rewrite what is to be shown")

// What each real CLI has printed, as people are shown it, however it was cut.
func TestEachRuntimesOutputIsReadable(t *testing.T) {
	t.Parallel()
	inputs, err := filepath.Glob("testdata/*/*.jsonl")
	if err != nil || len(inputs) < 12 {
		t.Fatal(err, inputs)
	}
	for _, input := range inputs {
		t.Run(strings.TrimSuffix(input, ".jsonl"), func(t *testing.T) {
			t.Parallel()
			said, err := os.ReadFile(input)
			if err != nil {
				t.Fatal(err)
			}
			runtime, golden := filepath.Base(filepath.Dir(input)), strings.TrimSuffix(input, ".jsonl")+".txt"
			got := shown(t, runtime, said, len(said))
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("shown is\n%s\nwant\n%s", got, want)
			}
			for _, size := range []int{1, 7, 100} {
				if cut := shown(t, runtime, said, size); cut != got {
					t.Errorf("in pieces of %d it is\n%s", size, cut)
				}
			}
		})
	}
}

// shown is what a Printer makes of output that comes in pieces.
func shown(t *testing.T, runtime string, said []byte, size int) string {
	t.Helper()
	var out bytes.Buffer
	p := New(&out, runtime)
	for len(said) > 0 {
		n := min(size, len(said))
		if _, err := p.Write(said[:n]); err != nil {
			t.Fatal(err)
		}
		said = said[n:]
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestLinesThatAreNotTheRuntimesAreShownAsTheyAre(t *testing.T) {
	t.Parallel()
	said := "plain words\n{\"no\":\"type\"}\n[1]\n\nnot { json\n{\"type\":7}\nthe last"
	want := "plain words\n{\"no\":\"type\"}\n[1]\nnot { json\n{\"type\":7}\nthe last\n"
	for _, runtime := range []string{"claude", "codex", "gemini", "opencode"} {
		if got := shown(t, runtime, []byte(said), 3); got != want {
			t.Errorf("%s: %q", runtime, got)
		}
	}
}

func TestWhatATerminalWouldObeyIsLeftOut(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"plain\ttext\n":        "plain\ttext\n",
		"\x1b[31mred\x1b[0m\n": "red\n",
		"\x1b]0;title\x07after\x1b]8;;http://x\x1b\\x\n": "afterx\n",
		"\x1b]52;c;never closed\nnext line\n":            "\nnext line\n",
		"\x1bPq#0\x1b\\dcs\x1b(Bset\x1b=k\n":             "dcssetk\n",
		"10%\r20%\rdone\r\n":                             "10%\n20%\ndone\n",
		"bell\a null\x00 del\x7f back\b\n":               "bell null del back\n",
		"\u009b31mC1\u009d0;t\u009c \u0085next\n":        "C1 next\n",
		"user\u202egpj.exe\u2066x\n":                     "usergpj.exex\n",
		"größer 日本語 👩‍💻\n":                               "größer 日本語 👩‍💻\n",
		"\x1b[2\x1b[Jx\n":                                "x\n",
	} {
		for _, size := range []int{1, 2, 1000} {
			if got := shown(t, "shell", []byte(said), size); got != want {
				t.Errorf("%q in pieces of %d is %q", said, size, got)
			}
		}
	}
	hostile := `{"type":"assistant","message":{"content":[{"type":"text","text":"\u001b]0;owned\u0007\u001b[2Jhi"},{"type":"tool_use","name":"B\u001bash","input":{"command":"x\u001b[1A"}}]}}` + "\n"
	if got := shown(t, "claude", []byte(hostile), 50); got != "hi\n→ Bsh x\n" {
		t.Errorf("%q", got)
	}
	if got := Cleaned("a\x1b[31mb\nc"); got != "ab c" {
		t.Errorf("%q", got)
	}
}

func TestPrinterTellsOfAWriterThatFails(t *testing.T) {
	t.Parallel()
	p := New(failing{}, "claude")
	p.Write([]byte("words\n"))
	if err := p.Close(); err == nil {
		t.Error("the writer's error is lost")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

// Whatever agents print, no control character comes through.
func FuzzNothingThatATerminalObeysIsShown(f *testing.F) {
	f.Add("claude", []byte(`{"type":"result","result":"\u001b[2J"}`), 3)
	f.Add("shell", []byte("\x1b[31m\u009b\r"), 1)
	f.Add("opencode", []byte(`{"type":"error","error":{"name":"\u0007"}}`), 9)
	f.Fuzz(func(t *testing.T, runtime string, said []byte, size int) {
		got := shown(t, runtime, said, max(size, 1))
		if !utf8.ValidString(got) {
			t.Errorf("%q", got)
		}
		for _, r := range got {
			if r != '\n' && r != '\t' && (unicode.IsControl(r) || turns(r)) {
				t.Errorf("%q in %q", r, got)
			}
		}
	})
}
