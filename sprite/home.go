package sprite

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
)

// maxHome bounds what a Sprite may call its home.
const maxHome = 4096

// Home returns the home folder of a Sprite as its commands see it. A Sprite is asked
// until it has answered once.
func (c *Client) Home(ctx context.Context, name string) (string, error) {
	if c.home != nil {
		return c.home(name), nil
	}
	if known, ok := c.homes.Load(name); ok {
		return known.(string), nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	home, err := c.askHome(ctx, name)
	for asked := 0; err != nil && asked < attempts && !c.Refused(err) && pause(ctx, asked); asked++ {
		home, err = c.askHome(ctx, name)
	}
	if err != nil {
		return "", fmt.Errorf("ask for the home folder: %w", err)
	}
	if !path.IsAbs(home) || path.Clean(home) != home || strings.ContainsAny(home, "\x00\n\r") {
		return "", fmt.Errorf("the Sprite's home folder is %.100q, which is no clean absolute path", home)
	}
	c.homes.Store(name, home)
	return home, nil
}

func (c *Client) askHome(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var said limited
	// Reading first: the SDK closes a connection safely only after the end of its input.
	code, err := c.Exec(ctx, name, []string{"sh", "-c", `cat; printf %s "$HOME"`}, &said, io.Discard)
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d", code)
	}
	return said.String(), err
}

// limited keeps the beginning of what is written to it.
type limited struct{ bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	l.Buffer.Write(b[:min(len(b), maxHome-l.Len())])
	return len(b), nil
}
