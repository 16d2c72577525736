package shim

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The frames of a journal: output.
const (
	frameStdout = '1'
	frameStderr = '2'
)

// A frame, on the shim's socket as in a journal, is one byte of kind, four bytes of length (big endian) and the payload.
const (
	frameHello   = 'h' // shim: hello, the first frame; nothing has been started yet
	frameRequest = 'q' // client: request, the only one of its connection
	frameReply   = 'r' // shim: the request's answer, with the standard input attached for an exec
	frameEnd     = 'n' // shim: eight bytes, how far the session's journal has got
	frameExit    = 'x' // shim: four bytes of exit code, after the last end
	frameRead    = 'c' // client: eight bytes, how far it has read the journal
	frameEOF     = 'e' // client: no more standard input
	frameSignal  = 's' // client: one byte, the signal's number
)

const (
	frameHeader = 5
	// MaxOutput is the most that one piece of output carries.
	MaxOutput = 64 << 10
	maxFrame  = 4 << 20
)

// appendFrame puts a frame behind b.
func appendFrame(b []byte, kind byte, payload []byte) []byte {
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(b, payload...)
}

func writeFrame(w io.Writer, kind byte, payload []byte) error {
	_, err := w.Write(appendFrame(make([]byte, 0, frameHeader+len(payload)), kind, payload))
	return err
}

func writeJSON(w io.Writer, kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode frame: %w", err)
	}
	if len(b) > maxFrame {
		return fmt.Errorf("frame of %d bytes is too big", len(b))
	}
	return writeFrame(w, kind, b)
}

// readHeader answers the kind and length of the next frame.
func readHeader(r io.Reader) (byte, int, error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, 0, err
	}
	return parseHeader(h)
}

func parseHeader(h [frameHeader]byte) (byte, int, error) {
	n := binary.BigEndian.Uint32(h[1:])
	if n > maxFrame {
		return 0, 0, fmt.Errorf("frame of %d bytes is too big", n)
	}
	return h[0], int(n), nil
}

func readFrame(r io.Reader) (byte, []byte, error) {
	kind, n, err := readHeader(r)
	if err != nil {
		return 0, nil, err
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return 0, nil, noEOF(err)
	}
	return kind, b, nil
}

func readJSON(r io.Reader, want byte, v any) error {
	kind, b, err := readFrame(r)
	if err != nil {
		return err
	}
	return decodeFrame(kind, want, b, v)
}

func decodeFrame(kind, want byte, b []byte, v any) error {
	if kind != want {
		return fmt.Errorf("frame %q instead of %q", kind, want)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("decode frame: %w", err)
	}
	return nil
}

// noEOF keeps a torn frame from looking like an orderly end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
