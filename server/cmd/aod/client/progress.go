package client

import (
	"fmt"
	"io"
	"time"

	aod "github.com/agent-on-demand/aod/sdk/go"
	"github.com/agent-on-demand/aod/sdk/go/pretty"
)

// progress tells how far a session has come: on a terminal in one line that changes, else
// in a line for each stage.
type progress struct {
	w         io.Writer
	live, off bool
	shown     bool // the changing line is on the screen
}

func (p *progress) stage(e aod.Event) {
	name := pretty.Cleaned(e.Stage)
	took := fmt.Sprintf("%.1fs", (time.Duration(e.DurationMS) * time.Millisecond).Seconds())
	switch {
	case e.State == "failed":
		p.line(fmt.Sprintf("%s failed after %s", name, took)) // its error output says why
	case e.State == "done" && e.Cached:
		p.line(fmt.Sprintf("%s done in %s, from the cache", name, took))
	case e.State == "done":
		p.line(fmt.Sprintf("%s done in %s", name, took))
	case e.Stage == "runtime_start":
		p.line("the agent starts")
	case p.live:
		p.line(name + "…")
	}
}

func (p *progress) turn(n int) {
	if n > 1 && !p.off {
		p.clear()
		fmt.Fprintln(p.w, "turn", n)
	}
}

func (p *progress) line(text string) {
	switch {
	case p.off:
	case p.live:
		fmt.Fprintf(p.w, "\r\x1b[K%s", text)
		p.shown = true
	default:
		fmt.Fprintln(p.w, text)
	}
}

// clear takes the changing line away.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
