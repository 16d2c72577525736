package shim

import (
	"bufio"
	"context"
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
	var r reply
	conn, fds, err := ask(ctx, dir, request{Op: "exec", Command: &c}, &r)
	if err != nil {
		return nil, err
	}
	if r.Error != nil || len(fds) != 1 {
		closeAll(fds)
		_ = conn.Close()
		if r.Error != nil {
			return nil, r.Error
		}
		return nil, errors.New("start command: the shim sent no standard input")
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		closeAll(fds)
		_ = conn.Close()
		return nil, fmt.Errorf("start command: %w", err)
	}
	return &Process{ID: r.ID, Pid: r.Pid, Stdin: os.NewFile(uintptr(fds[0]), "stdin"), conn: conn, out: bufio.NewReaderSize(conn, MaxOutput+frameHeader)}, nil
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
	if err := askOnce(ctx, dir, request{Op: "kill", ID: id, Signal: int(sig), Timeout: timeout}, &r); err != nil {
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
