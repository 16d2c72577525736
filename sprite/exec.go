package sprite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	sprites "github.com/superfly/sprites-go"
)

// ErrLost says that the connection broke before the exit code came: the program
// may have ended in any way, or be running still.
var ErrLost = errors.New("lost the connection to the Sprite")

// killGrace is how long a killed program's last words are waited for.
const killGrace = 5 * time.Second

// Exec runs a command in the home folder of a Sprite and returns its exit code;
// 128+n if signal n ended it. When ctx ends first, the command and what it has
// started are killed, and the error is the cause of ctx. The writers get all
// output before Exec returns and none after; they must not block for long. The
// command travels in a URL, so it is no place for a secret.
func (c *Client) Exec(ctx context.Context, name string, argv []string, stdout, stderr io.Writer) (int, error) {
	return c.exec(ctx, name, argv, stdout, stderr, kill)
}

// Launch is Exec for a command that starts something which shall last: when ctx
// ends first, the command goes on without us, for as long as the service lets it.
func (c *Client) Launch(ctx context.Context, name string, argv []string, stdout, stderr io.Writer) (int, error) {
	return c.exec(ctx, name, argv, stdout, stderr, leave)
}

// exec runs a command; part ends what is ours of one that runs when ctx ends.
func (c *Client) exec(ctx context.Context, name string, argv []string, stdout, stderr io.Writer, part func(*sprites.Cmd, *line)) (int, error) {
	l := newLine()
	defer l.close()
	running, release := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), lineKey{}, l))
	defer release()

	cmd := c.api.Sprite(name).CommandContext(running, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = stdout, stderr // never nil: the SDK would write to ours
	if err := start(ctx, cmd, l); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return exitCode(cmd, err)
	case <-ctx.Done():
	}
	grace := time.AfterFunc(killGrace, func() { // bounds the signal too
		l.close()
		release()
	})
	defer grace.Stop()
	part(cmd, l)
	<-ended
	return 0, context.Cause(ctx)
}

func kill(cmd *sprites.Cmd, l *line) {
	if err := cmd.Signal("KILL"); err != nil {
		l.close()
	}
}

func leave(_ *sprites.Cmd, l *line) { l.close() }

// start dials and waits until the command runs. The SDK ties a command to one
// context for good, so that of the caller counts only until then. A start that is
// given up is cut at its connection, which the SDK would go on with.
func start(ctx context.Context, cmd *sprites.Cmd, l *line) error {
	defer context.AfterFunc(ctx, l.close)()
	err := cmd.Start()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("start command: %w", err)
	}
	return nil
}

func exitCode(cmd *sprites.Cmd, err error) (int, error) {
	var exit *sprites.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit):
		return exit.ExitCode(), nil
	case cmd.ExitCode() == -1:
		return 0, ErrLost
	}
	return 0, err
}
