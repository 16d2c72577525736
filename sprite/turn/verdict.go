package turn

import (
	"bytes"
	"context"
	"io"

	"github.com/agent-on-demand/aod/sprite/runtimes"
)

// mostJudged is how much of a turn's output is judged, at most: what ends.sh prints.
const mostJudged = 3 << 20

// verdict is what the runtime's own output says of a turn that has exited with 0.
func (w *worker) verdict(ctx context.Context) (runtimes.Verdict, error) {
	if !w.runtime.Judged() {
		return runtimes.Verdict{}, nil
	}
	var said capped
	err := w.insist(ctx, func() error {
		said.Reset()
		return w.attend(ctx, w.Sprites.Exec, w.journal.ends(), &said, io.Discard)
	})
	if err != nil {
		return runtimes.Verdict{}, err
	}
	return w.runtime.Judge(said.Bytes()), nil
}

// capped keeps the first mostJudged bytes that are written to it.
type capped struct{ bytes.Buffer }

func (c *capped) Write(b []byte) (int, error) {
	c.Buffer.Write(b[:min(len(b), mostJudged-c.Len())])
	return len(b), nil
}
