package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A reader that takes nothing holds up neither who writes nor who reads, and it does
// not keep the server from stopping in good order.
func TestStalledReaderHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	session := e.session(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- e.Server.serve(ctx, listener, func() {}) }()

	stalled := e.open(t, listener, session)
	readHead(t, stalled)
	lines := readHead(t, e.open(t, listener, session))
	const rows, size = 128, 256 << 10 // more than the network takes in
	go func() {
		for i := range rows {
			span := e.write(t, session, fmt.Sprint(i, strings.Repeat(" ", size)))
			e.hub.Publish(session, span.After, span.Frames...)
		}
		e.end(t, session)
	}()
	got := 0
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d rows: %v", got, err)
		}
		if strings.HasPrefix(line, "id: ") {
			got++ // rows have ids, and the exit
		}
	}
	if got != rows+1 {
		t.Errorf("%d rows and an exit", got-1)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// open asks for a session's stream.
func (e *edge) open(t *testing.T, listener net.Listener, session string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /sessions/%s/stream HTTP/1.1\r\nHost: aod\r\nAuthorization: Bearer %s\r\n\r\n", session, e.token)
	return conn
}

// readHead reads the head of an answer, for which nothing has to happen, and returns
// its body.
func readHead(t *testing.T, conn net.Conn) *bufio.Reader {
	t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK || answer.Header.Get("X-Accel-Buffering") != "no" {
		t.Fatalf("%s %v", answer.Status, answer.Header)
	}
	return bufio.NewReader(answer.Body)
}
