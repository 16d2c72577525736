package turn

import (
	"bytes"
	"strings"
	"sync"
	"time"
)

// reportEvery is how often a stage that takes long tells what it is doing.
const reportEvery = 10 * time.Second

// longestReport is how many bytes a line may have that is told. A longer one is not:
// where it is cut, half a secret would not be known as one.
const longestReport = 500

// report puts the last line that is written to progress into the session's log, again
// and again, until stop is called. Meanwhile nobody else may add to the log.
func (w *worker) report(p *progress) (stop func()) {
	ended := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		ticker := time.NewTicker(reportEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ended:
				return
			case <-ticker.C:
			}
			if line := p.take(); line != "" {
				w.say(line)
			}
		}
	})
	return func() {
		close(ended)
		work.Wait()
	}
}

// say tells the session's readers, as its stderr, what its stage is doing.
func (w *worker) say(line string) {
	if err := w.add(note(w.number, string(w.stage)+": "+line)); err != nil {
		w.log.DebugContext(w.ctx, "a stage's progress was not stored", "error", err)
	}
}

// progress keeps the last whole line that is written to it.
type progress struct {
	mu   sync.Mutex
	line []byte // that is not whole yet
	last string // that was not taken yet
}

// Write takes carriage returns for the ends of lines, too: progress bars write them.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range b {
		if c != '\n' && c != '\r' {
			if len(p.line) <= longestReport {
				p.line = append(p.line, c)
			}
			continue
		}
		if text := bytes.TrimSpace(p.line); len(text) > 0 && len(p.line) <= longestReport {
			p.last = strings.ToValidUTF8(string(text), "\ufffd")
		}
		p.line = p.line[:0]
	}
	return len(b), nil
}

func (p *progress) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.last
	p.last = ""
	return last
}
