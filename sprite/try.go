package sprite

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// TryOut makes a Sprite of that name, runs a command in it, calls ran, and destroys the
// Sprite. One that an earlier attempt has left is destroyed first. The error says why
// Sprites cannot run.
func (c *Client) TryOut(ctx context.Context, name string, ran func()) (err error) {
	if err := c.Destroy(ctx, name); err != nil {
		return err
	}
	if err := c.Create(ctx, name); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Destroy(context.WithoutCancel(ctx), name)) }()
	code, err := c.Exec(ctx, name, []string{"true"}, io.Discard, io.Discard)
	if err == nil && code != 0 {
		err = fmt.Errorf("the command true ended with exit code %d", code)
	}
	if err == nil {
		ran()
	}
	return err
}
