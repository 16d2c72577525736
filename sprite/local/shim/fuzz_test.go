package shim

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

// A journal may end anywhere and hold anything: reading it ends, with an error where it is broken, and shows nothing twice.
func FuzzJournal(f *testing.F) {
	frame := func(kind byte, text string) []byte { return appendFrame(nil, kind, []byte(text)) }
	f.Add([]byte(`{"id":"a","first":{"offset":4096},"end":{"offset":4113},"exit":3}`), append(frame(frameStdout, "out"), frame(frameStderr, "err!")...), int64(4))
	f.Add([]byte(`{"id":"a","first":{"offset":4096},"end":{"offset":4100}}`), frame(frameStdout, "torn"), int64(0))
	f.Add([]byte(`{"id":"a","first":{"offset":9999},"end":{"offset":1},"exit":0}`), frame(frameStdout, "x"), int64(0))
	f.Add([]byte(`{"id":"a","first":{"offset":-1,"output":-7},"end":{"offset":4100},"exit":0}`), []byte{'1', 0xff, 0xff, 0xff, 0xff}, int64(1<<62))
	f.Add([]byte(`null`), []byte{}, int64(-1))
	f.Fuzz(func(t *testing.T, about, output []byte, from int64) {
		dir := t.TempDir()
		if err := os.MkdirAll(sessionsDir(dir), 0o700); err != nil {
			t.Fatal(err)
		}
		about = append(about, bytes.Repeat([]byte(" "), max(0, accountSize-len(about)))...)[:accountSize]
		if err := os.WriteFile(journalFile(dir, "a"), append(about, output...), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := revisit(dir, "a", from)
		if err != nil {
			return
		}
		defer p.Close()
		buf := make([]byte, MaxOutput)
		seen := 0
		for {
			stream, n, _, err := p.Next(buf)
			if seen += n; seen > len(output)+accountSize {
				t.Fatalf("%d bytes out of %d", seen, len(output))
			}
			if err != nil || stream == Exit {
				return
			}
		}
	})
}

// Whatever a client sends to a shim is a frame or an error.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("q\x00\x00\x00\x0d" + `{"op":"list"}`))
	f.Add([]byte("c\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x10\x00"))
	f.Add([]byte("w\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		for {
			kind, payload, err := readFrame(r)
			if err != nil {
				return
			}
			if again := appendFrame(nil, kind, payload); !bytes.HasSuffix(b[:len(b)-r.Len()], again) {
				t.Fatalf("%q is not what was read", again)
			}
			var q request
			if decodeFrame(kind, frameRequest, payload, &q) != nil {
				continue
			}
			if _, err := json.Marshal(q); err != nil {
				t.Fatalf("%+v: %v", q, err)
			}
		}
	})
}

// A shim that says nonsense about its journal does not break its clients.
func TestJournalNeverShrinks(t *testing.T) {
	t.Parallel()
	end := func(n uint64) []byte { return appendFrame(nil, frameEnd, binary.BigEndian.AppendUint64(nil, n)) }
	p := &Process{end: 5000, news: bufio.NewReader(bytes.NewReader(append(end(6000), end(5999)...)))}
	if err := p.hear(); err != nil || p.end != 6000 {
		t.Errorf("%d %v", p.end, err)
	}
	if err := p.hear(); err == nil || errors.Is(err, os.ErrClosed) {
		t.Errorf("it moved back: %d %v", p.end, err)
	}
}
