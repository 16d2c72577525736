package sprite

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
)

// An exec that is given up while its connection is being made cuts it.
func TestExecsThatAreGivenUpLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	conns, cut := make(chan net.Conn), make(chan error)
	c := New(Config{Token: "t", Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		conns <- far
		return near, nil
	}})
	defer c.Close()
	why := errors.New("given up")
	for range 20 {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			conn := <-conns
			cancel(why)
			_, err := io.Copy(io.Discard, conn) // until it is closed
			cut <- err
		}()
		if _, err := c.Exec(ctx, "s", []string{"true"}, io.Discard, io.Discard); !errors.Is(err, why) {
			t.Fatal(err)
		}
		if err := <-cut; err != nil {
			t.Fatal(err)
		}
	}
}
