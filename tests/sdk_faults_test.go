package tests

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"time"
)

// fault is what happens to some requests on their way. Its fields are described in sdk/README.md.
type fault struct {
	On     string
	Times  *int
	Answer *struct {
		Status  int
		Headers map[string]string
		Body    json.RawMessage
	}
	Lose bool
	Hold bool
	Cut  *struct {
		Least, Spread int
	}
	Pieces int

	done int
}

// left is how often it has still to happen.
func (f *fault) left() int {
	if f.Times == nil {
		return 1 - f.done
	}
	return *f.Times - f.done
}

// meddler makes faults and counts what it sees, by what scenarios speak of.
type meddler struct {
	mu       sync.Mutex
	faults   []*fault
	requests map[string]int
	keys     map[string]map[string]bool
}

var anyID = regexp.MustCompile(`/[0-9a-f]{8}-[0-9a-f-]{27}`)

// note counts a request and returns the fault that it meets, and the how manieth time that is.
func (p *meddler) note(r *http.Request) (*fault, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	on := r.Method + " " + anyID.ReplaceAllString(r.URL.Path, "/*")
	p.requests[on]++
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		if p.keys[on] == nil {
			p.keys[on] = map[string]bool{}
		}
		p.keys[on][key] = true
	}
	for _, f := range p.faults {
		if f.On == on && f.left() > 0 {
			f.done++
			return f, f.done
		}
	}
	return nil, 0
}

func (p *meddler) meddle(w http.ResponseWriter, r *http.Request, server http.Handler) {
	f, n := p.note(r)
	switch {
	case f == nil:
		server.ServeHTTP(w, r)
	case f.Answer != nil:
		for name, value := range f.Answer.Headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(f.Answer.Status)
		var text string
		if json.Unmarshal(f.Answer.Body, &text) != nil {
			text = string(f.Answer.Body)
		}
		io.WriteString(w, text)
	case f.Lose:
		server.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case f.Hold:
		server.ServeHTTP(httptest.NewRecorder(), r)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.Cut != nil:
		server.ServeHTTP(&short{w, f.Cut.Least + n*37%max(f.Cut.Spread, 1)}, r)
	default:
		server.ServeHTTP(&slow{w, f.Pieces}, r)
	}
}

// slow is an answer that comes in small pieces.
type slow struct {
	http.ResponseWriter
	size int
}

func (s *slow) Write(p []byte) (int, error) {
	for written := 0; written < len(p); {
		n, err := s.ResponseWriter.Write(p[written:min(written+s.size, len(p))])
		if err != nil {
			return written, err
		}
		s.ResponseWriter.(http.Flusher).Flush()
		<-time.After(time.Millisecond) // so that pieces are not joined on their way
		written += n
	}
	return len(p), nil
}

// Unwrap is for the flushes of the proxy.
func (s *slow) Unwrap() http.ResponseWriter { return s.ResponseWriter }
