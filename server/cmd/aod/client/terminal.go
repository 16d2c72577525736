package client

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"

	"github.com/agent-on-demand/aod/sdk/go/pretty"
)

// terminal says whether people are there.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// harmless is the stream itself, or, if it is a terminal, one that it cannot be steered through.
func harmless(w io.Writer) io.Writer {
	if terminal(w) {
		return pretty.Clean(w)
	}
	return w
}
