package tasks

import (
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// apiTime bounds every step of a conversation with a program in the Sprite.
	apiTime = 30 * time.Second
	// apiClients is how many of them there are at once; more wait.
	apiClients = 32
)

// Serve answers the programs in the Sprite until the listener is closed.
func (t *Tasks) Serve(ln net.Listener) error {
	server := &http.Server{
		Handler:           t.handler(),
		ReadHeaderTimeout: apiTime,
		ReadTimeout:       apiTime,
		WriteTimeout:      apiTime,
		IdleTimeout:       apiTime,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // its clients are the Sprite's, and so are their mistakes
	}
	return server.Serve(&fewClients{Listener: ln, places: make(chan struct{}, apiClients)})
}

// fewClients is a listener that has so many connections at a time.
type fewClients struct {
	net.Listener
	places chan struct{}
}

// Accept waits for a place, then for a client.
func (l *fewClients) Accept() (net.Conn, error) {
	l.places <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &fewClient{Conn: c, places: l.places}, nil
}

type fewClient struct {
	net.Conn
	places chan struct{}
	once   sync.Once
}

// Close gives the place back.
func (c *fewClient) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.places })
	return err
}
