package local

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/shim"
)

// maxPlainStdin bounds the input of an exec without a WebSocket, which is read before the command starts.
const maxPlainStdin = 10 << 20

// plainExec runs a command with the body as its input, and answers with the pieces of its output, each behind its stream's number, and at
// the very end 3 and the exit code. The pieces have no lengths: only the last two bytes can be told from the rest for sure.
func (h *Host) plainExec(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	for _, name := range []string{"tty", "id", "cc", "detachable"} {
		if q.Has(name) && q.Get(name) != "false" {
			return badRequest(name + " needs a WebSocket")
		}
	}
	rec, err := h.load(r.PathValue("name"))
	if err != nil {
		return err
	}
	c, err := command(q)
	if err != nil {
		return err
	}
	input, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPlainStdin))
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		return &apiError{http.StatusRequestEntityTooLarge, "too_large", "the input may have up to 10 MiB"}
	case err != nil:
		return badRequest("read the input: " + err.Error())
	}
	c.Stdin = q.Get("stdin") != "false"
	p, err := h.run(r, rec, c)
	if err != nil {
		return err
	}
	h.plainBridge(w, r, p, input)
	return nil
}

// plainBridge ends with the command, its client, or the host.
func (h *Host) plainBridge(w http.ResponseWriter, r *http.Request, p *shim.Process, input []byte) {
	ctx, cancel := merge(r.Context(), h.ctx)
	defer cancel()
	leave := sync.OnceFunc(func() { _ = p.Close() }) // starts the command's linger time, and frees every read and write
	ctxEnded := make(chan struct{})
	var group sync.WaitGroup
	defer group.Wait()
	defer leave()
	defer close(ctxEnded)
	group.Go(func() {
		select {
		case <-ctx.Done():
			leave()
		case <-ctxEnded:
		}
	})
	group.Go(func() {
		_, _ = p.Stdin.Write(input) // a command may want none of it
		_ = p.CloseStdin()
	})
	w.Header().Set("Content-Type", "application/octet-stream")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	defer out.SetWriteDeadline(time.Time{}) // for the connection's next request
	buf := make([]byte, 1+shim.MaxOutput)
	for {
		stream, n, code, err := p.Next(buf[1:])
		if err != nil {
			return // without the exit code, clients know
		}
		buf[0] = byte(stream)
		if stream == shim.Exit {
			buf[1], n = byte(code), 1
		}
		err = out.SetWriteDeadline(time.Now().Add(aliveTime))
		if err == nil {
			_, err = w.Write(buf[:1+n])
		}
		if err == nil {
			err = out.Flush()
		}
		if err != nil || stream == shim.Exit {
			return
		}
	}
}
