package model

import (
	"fmt"
	"net/http"
)

// protocol is a vendor's way to speak about conversations and replies.
type protocol interface {
	read(r *http.Request, body []byte) (*conversation, error)
	whole(said reply) fields             // the answer in one piece
	frames(said reply) []string          // the same as a stream
	failure(said reply) string           // the frame that ends a stream in an error
	refusal(status int, _ string) fields // the body of an error
}

// speak answers a request for a model's words.
func (s *Server) speak(p protocol) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		data, ok := body(w, r)
		if !ok {
			return
		}
		c, err := p.read(r, data)
		if err != nil {
			writeJSON(w, http.StatusBadRequest, p.refusal(http.StatusBadRequest, err.Error()))
			return
		}
		number, gate := s.record(Request{
			Body: data, Model: c.model, Prompts: c.prompts, System: c.system, Tools: c.names(), Main: len(c.tools) > 0,
		}, r)
		if !s.admits(r) {
			writeJSON(w, http.StatusUnauthorized, p.refusal(http.StatusUnauthorized, "stub error 401: not the key"))
			return
		}
		said := c.reply()
		said.number, said.model = number, c.model
		if !s.wait(r, gate, said.pause) {
			return
		}
		if said.status != 0 && said.status != http.StatusOK {
			writeJSON(w, said.status, p.refusal(said.status, fmt.Sprintf("stub error %d", said.status)))
			return
		}
		if c.stream {
			s.stream(w, r, p, said)
			return
		}
		s.once(w, r, p, said)
	}
}

// stream sends an answer in frames, as far as it is to come.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, p protocol, said reply) {
	w.Header().Set("Content-Type", "text/event-stream")
	frames := p.frames(said)
	half := len(frames) / 2
	switch said.ending {
	case "fail":
		frames = append(frames[:half:half], p.failure(said))
	case "cut", "stall":
		frames = append(frames[:half:half], frames[half][:len(frames[half])/2])
	}
	for _, frame := range frames {
		_, _ = w.Write([]byte(frame))
		_ = http.NewResponseController(w).Flush() // a client that has left notices nothing
	}
	s.breakOff(r, said.ending)
}

// once sends an answer in one piece, as far as it is to come.
func (s *Server) once(w http.ResponseWriter, r *http.Request, p protocol, said reply) {
	switch said.ending {
	case "fail":
		writeJSON(w, http.StatusInternalServerError, p.refusal(http.StatusInternalServerError, "stub failure"))
	case "cut", "stall":
		data := encode(p.whole(said))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(data[:len(data)/2])
		_ = http.NewResponseController(w).Flush()
		s.breakOff(r, said.ending)
	default:
		writeJSON(w, http.StatusOK, p.whole(said))
	}
}

// breakOff closes the connection if the answer is not to have an end, at once
// or when nobody waits for it any more.
func (s *Server) breakOff(r *http.Request, ending string) {
	switch ending {
	case "stall":
		until[struct{}](s, r, nil)
		panic(http.ErrAbortHandler)
	case "cut":
		panic(http.ErrAbortHandler)
	}
}

// frame is one event of a stream. The name may be empty.
func frame(name string, data any) string {
	if name == "" {
		return fmt.Sprintf("data: %s\n\n", encode(data))
	}
	return fmt.Sprintf("event: %s\ndata: %s\n\n", name, encode(data))
}

// halves are a text in two parts, so that a stream has something to add.
func halves(text string) [2]string {
	runes := []rune(text)
	n := len(runes) / 2
	return [2]string{string(runes[:n]), string(runes[n:])}
}
