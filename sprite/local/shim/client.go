package shim

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Exec starts a command in the running Sprite of dir. A *Refusal means that the Sprite could not start it; ErrCold, that nothing was
// started because no shim serves the Sprite.
func Exec(ctx context.Context, dir string, c Command) (*Process, error) {
	return join(ctx, dir, request{Op: "exec", Command: &c}, 0)
}

// Attach joins a session of the Sprite of dir behind the given number of bytes of its output, or behind as many more as are not kept any
// longer. A session that is over stays for some minutes, with its exit code, whether the Sprite runs or not. A *Refusal means that there is
// none of that id, or that it has no exit code.
func Attach(ctx context.Context, dir, id string, output int64) (*Process, error) {
	p, err := join(ctx, dir, request{Op: "attach", ID: id}, output)
	var refusal *Refusal
	if errors.Is(err, ErrCold) || errors.As(err, &refusal) && refusal.Kind == NoSession {
		return revisit(dir, id, output)
	}
	return p, err
}

// revisit opens a session that is over.
func revisit(dir, id string, output int64) (*Process, error) {
	a, err := readAccount(dir, id)
	if err != nil {
		return nil, err
	}
	if a.Exit == nil {
		st, err := readState(dir)
		if err != nil {
			return nil, err
		}
		now, err := identify(os.Getpid())
		if err != nil {
			return nil, err
		}
		if a.Lost == "" {
			a.Lost = lostWith(st, now.Boot)
		}
		return nil, &Refusal{SessionLost, "session " + id + " was lost: " + a.Lost}
	}
	p, err := openProcess(dir, a.Session, a.First, a.End.Offset, output)
	if err != nil {
		return nil, err
	}
	p.exit = a.Exit
	return p, nil
}

// join asks for a session and takes over what comes with it.
func join(ctx context.Context, dir string, q request, output int64) (*Process, error) {
	var r reply
	conn, fds, err := ask(ctx, dir, q, &r)
	if err != nil {
		return nil, err
	}
	p, err := joined(dir, r, fds, output)
	if err != nil {
		closeAll(fds)
		return nil, errors.Join(err, conn.Close())
	}
	p.conn, p.news = conn, bufio.NewReader(conn)
	if p.at > p.told { // it has passed over output that its client has
		p.acknowledge()
	}
	return p, nil
}

func joined(dir string, r reply, fds []int, output int64) (*Process, error) {
	switch {
	case r.Error != nil && r.Error.Kind == ending:
		return nil, errors.Join(ErrCold, r.Error)
	case r.Error != nil:
		return nil, r.Error
	case r.Session == nil || len(fds) > 1:
		return nil, fmt.Errorf("join session: a reply without a session, with %d files", len(fds))
	}
	for _, fd := range fds {
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, fmt.Errorf("join session: %w", err)
		}
	}
	p, err := openProcess(dir, *r.Session, r.First, r.End, output)
	if err != nil {
		return nil, err
	}
	for _, fd := range fds {
		p.Stdin = os.NewFile(uintptr(fd), "stdin")
	}
	return p, nil
}

// Sessions lists the commands of the running Sprite of dir.
func Sessions(ctx context.Context, dir string) ([]Session, error) {
	var r reply
	if err := askOnce(ctx, dir, request{Op: "list"}, &r); err != nil {
		return nil, err
	}
	return r.Sessions, nil
}

// Kill signals a session. With a timeout it waits for the command's end, and then kills everything that the command has started.
func Kill(ctx context.Context, dir, id string, sig unix.Signal, timeout time.Duration) (Killed, error) {
	var r reply
	err := askOnce(ctx, dir, request{Op: "kill", ID: id, Signal: int(sig), Timeout: timeout}, &r)
	if errors.Is(err, ErrCold) || r.Error != nil && r.Error.Kind == NoSession {
		if _, err := readAccount(dir, id); err != nil {
			return Killed{}, err
		}
		return Killed{}, over(id)
	}
	if err != nil {
		return Killed{}, err
	}
	if r.Error != nil {
		return Killed{}, r.Error
	}
	if r.Killed == nil {
		return Killed{}, errors.New("kill session: empty reply")
	}
	return *r.Killed, nil
}

// SetPolicy puts the running Sprite of dir under another network policy.
func SetPolicy(ctx context.Context, dir string, p json.RawMessage) error {
	var r reply
	if err := askOnce(ctx, dir, request{Op: "policy", Policy: p}, &r); err != nil {
		return err
	}
	if r.Error != nil {
		return r.Error
	}
	return nil
}

// ErrCold means that no shim serves the Sprite: it has to be started, and nothing has happened so far.
var ErrCold = errors.New("the sprite is cold")

func askOnce(ctx context.Context, dir string, q request, r *reply) error {
	conn, fds, err := ask(ctx, dir, q, r)
	if err != nil {
		return err
	}
	closeAll(fds)
	return conn.Close()
}

// ask sends a request and reads its reply with the files attached to it.
func ask(ctx context.Context, dir string, q request, r *reply) (*net.UnixConn, []int, error) {
	conn, err := connect(ctx, dir)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	var other *Refusal
	if errors.As(err, &other) {
		return nil, nil, fmt.Errorf("%s: %w", q.Op, err)
	}
	if err != nil {
		return nil, nil, errors.Join(ErrCold, err)
	}
	var fds []int
	err = within(ctx, conn, func() error {
		if err := writeJSON(conn, frameRequest, q); err != nil {
			return err
		}
		fds, err = readReply(conn, r)
		return err
	})
	if err != nil {
		closeAll(fds)
		_ = conn.Close()
		return nil, nil, fmt.Errorf("%s: %w", q.Op, err)
	}
	return conn, fds, nil
}

// readReply reads the frame with a receive of its own, because files travel with its first byte.
func readReply(conn *net.UnixConn, r *reply) ([]int, error) {
	var h [frameHeader]byte
	rights := make([]byte, unix.CmsgSpace(4*4))
	n, rn, _, _, err := conn.ReadMsgUnix(h[:], rights)
	if err != nil {
		return nil, err
	}
	fds, err := parseRights(rights[:rn])
	if err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(conn, h[n:]); err != nil {
		return fds, noEOF(err)
	}
	kind, size, err := parseHeader(h)
	if err != nil {
		return fds, err
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(conn, b); err != nil {
		return fds, noEOF(err)
	}
	return fds, decodeFrame(kind, frameReply, b, r)
}

// within runs f, whose reads and writes on conn end with the context.
func within(ctx context.Context, conn net.Conn, f func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err := f()
	if !stop() && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
