package sprite

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
)

// An exec that is given up while its connection is being made has let go of what execs share when Exec returns: the race detector says so.
func TestExecsThatAreGivenUpLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	dialling := make(chan struct{})
	c := New(Config{Token: "t", Dial: func(context.Context, string, string) (net.Conn, error) {
		dialling <- struct{}{}
		silent, _ := net.Pipe() // its other end reads nothing
		return silent, nil
	}})
	defer c.Close()
	why := errors.New("given up")
	for range 20 {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-dialling
			cancel(why)
		}()
		if _, err := c.Exec(ctx, "s", []string{"true"}, io.Discard, io.Discard); !errors.Is(err, why) {
			t.Fatal(err)
		}
	}
}
