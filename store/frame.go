package store

import (
	"strconv"
	"unicode/utf8"
)

// Frame is one row as the stream sends it: the bytes of a server-sent event.
type Frame struct {
	ID   int64
	Turn int // 0 for rows without a turn
	Data []byte
}

// render writes the row as a frame. Its JSON is pure ASCII: some clients split
// lines at U+0085, U+2028 and U+2029 too.
func (r Row) render(id int64) []byte {
	b := make([]byte, 0, 96+len(r.Data)+len(r.Data)/8)
	b = append(b, "id: "...)
	b = strconv.AppendInt(b, id, 10)
	b = append(b, "\ndata: {\"type\": \""...)
	if r.Stage != "" {
		b = append(b, `stage", "id": `...)
		b = strconv.AppendInt(b, id, 10)
		b = append(b, `, "stage": `...)
		b = appendJSON(b, string(r.Stage))
		b = append(b, `, "state": `...)
		b = appendJSON(b, string(r.State))
		if r.State != StageStarted {
			b = append(b, `, "duration_ms": `...)
			b = strconv.AppendInt(b, r.Took.Milliseconds(), 10)
		}
		if r.Data != "" {
			b = append(b, `, "message": `...)
			b = appendJSON(b, r.Data)
		}
		if r.Cached {
			b = append(b, `, "cached": true`...)
		}
		return append(b, "}\n\n"...)
	}
	b = append(b, `output", "id": `...)
	b = strconv.AppendInt(b, id, 10)
	b = append(b, `, "stream": `...)
	b = appendJSON(b, string(r.Stream))
	b = append(b, `, "data": `...)
	b = appendJSON(b, r.Data)
	b = append(b, `, "turn": `...)
	if r.Turn > 0 {
		b = strconv.AppendInt(b, int64(r.Turn), 10)
	} else {
		b = append(b, "null"...)
	}
	return append(b, "}\n\n"...)
}

const hex16 = "0123456789abcdef"

// appendJSON appends s as a JSON string in ASCII. Bytes that are not UTF-8
// become U+FFFD.
func appendJSON(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			b = appendASCII(b, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		if r >= 0x10000 {
			r -= 0x10000
			b = appendEscape(b, 0xd800+(r>>10))
			r = 0xdc00 + (r & 0x3ff)
		}
		b = appendEscape(b, r)
	}
	return append(b, '"')
}

func appendASCII(b []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	case c == '\n':
		return append(b, '\\', 'n')
	case c == '\r':
		return append(b, '\\', 'r')
	case c == '\t':
		return append(b, '\\', 't')
	case c < ' ' || c == 0x7f:
		return appendEscape(b, rune(c))
	}
	return append(b, c)
}

func appendEscape(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hex16[r>>12&15], hex16[r>>8&15], hex16[r>>4&15], hex16[r&15])
}
