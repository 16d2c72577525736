package client

import (
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	aod "github.com/agent-on-demand/aod/sdk/go"
	"github.com/agent-on-demand/aod/sdk/go/pretty"
)

// viewFlags say how events are shown.
type viewFlags struct{ json, quiet bool }

func (f *viewFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.json, "json", false, "show the events of the session as they are, each a line of JSON")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "say nothing of progress")
}

// open is a view on the command's streams.
func (f *viewFlags) open(cmd *cobra.Command) *view {
	v := &view{viewFlags: *f, out: cmd.OutOrStdout(), words: harmless(cmd.ErrOrStderr())}
	v.printer = v.of("") // until the stream says which runtime it is
	v.progress = progress{w: cmd.ErrOrStderr(), live: terminal(cmd.ErrOrStderr()), off: f.quiet || f.json}
	return v
}

// view shows the events of a session: output on standard output and standard error as the
// agent wrote it, progress on standard error.
type view struct {
	viewFlags
	mu       sync.Mutex // held while a person is asked something
	out      io.Writer
	words    io.Writer
	progress progress
	printer  io.WriteCloser // of the runtime's standard output
}

// show shows an event.
func (v *view) show(e aod.Event) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.json {
		_, err := v.out.Write(append(e.Raw, '\n'))
		return err
	}
	switch e.Type {
	case aod.EventStart:
		v.printer = v.of(e.Runtime)
	case aod.EventStage:
		v.progress.stage(e)
	case aod.EventTurnStart:
		v.progress.turn(e.Turn)
	case aod.EventOutput:
		v.progress.clear()
		if e.Stream == "stderr" {
			_, err := io.WriteString(v.words, e.Data)
			return err
		}
		_, err := io.WriteString(v.printer, e.Data)
		return err
	case aod.EventExit, aod.EventError, aod.EventTerminated:
		v.progress.clear()
		return v.printer.Close()
	}
	return nil
}

// of is what shows the output of a runtime: the shell's as it is, unless a terminal would obey it.
func (v *view) of(runtime string) io.WriteCloser {
	if runtime == "shell" && !terminal(v.out) {
		return plain{v.out}
	}
	return pretty.New(v.out, runtime)
}

// plain shows everything as it is.
type plain struct{ io.Writer }

// Close has nothing to add.
func (plain) Close() error { return nil }

// close ends what has been shown so far.
func (v *view) close() error {
	v.progress.clear()
	return v.printer.Close()
}

// say tells a person something about the session.
func (v *view) say(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.quiet {
		v.progress.clear()
		fmt.Fprintln(v.words, text)
	}
}
