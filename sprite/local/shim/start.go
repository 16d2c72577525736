package shim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Starter starts shims from a binary, and reaps those that end before it is closed.
type Starter struct {
	executable string
	ctx        context.Context // ends the waiting for children, not the children
	cancel     context.CancelFunc
	reapers    sync.WaitGroup
}

// NewStarter returns a Starter of shims that run the given binary, which must import this package.
func NewStarter(executable string) *Starter {
	ctx, cancel := context.WithCancel(context.Background())
	return &Starter{executable: executable, ctx: ctx, cancel: cancel}
}

// Close leaves all shims alone and forgets them.
func (s *Starter) Close() {
	s.cancel()
	s.reapers.Wait()
}

// readiness is the one thing that a shim tells its starter.
type readiness struct {
	Failure *Failure `json:"failure,omitempty"`
}

// Start starts a shim for a Sprite that has none, and returns when it serves. A *Failure says what the host refuses.
// A shim that is about to end is waited for.
func (s *Starter) Start(ctx context.Context, cfg Config) error {
	conf, err := json.Marshal(cfg)
	if err != nil {
		return fmt.Errorf("encode sprite config: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(cfg.Dir, "shim.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("open shim log: %w", err)
	}
	defer log.Close()
	confR, confW, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer confW.Close()
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("make pipe: %w", err), confR.Close())
	}
	defer readyR.Close()

	shim, err := s.spawn(confR, readyW, log)
	if err = errors.Join(err, confR.Close(), readyW.Close()); err != nil {
		return fmt.Errorf("start shim: %w", err)
	}
	err = s.introduce(ctx, conf, confW, readyR)
	if err != nil {
		// A shim that could not tell its starter that it is ready gives up; do not wait for its own timeouts.
		_ = shim.kill()
	}
	s.reap(shim)
	return err
}

// spawn starts the process in a session of its own, with nothing inherited but the three files.
func (s *Starter) spawn(stdin, stdout, stderr *os.File) (*handle, error) {
	fd := -1
	p, err := os.StartProcess(s.executable, []string{roleShim}, &os.ProcAttr{
		Dir:   "/",
		Env:   []string{"PATH=/usr/bin:/bin"},
		Files: []*os.File{stdin, stdout, stderr},
		Sys:   &syscall.SysProcAttr{Setsid: true, PidFD: &fd},
	})
	if err != nil {
		return nil, err
	}
	if err := p.Release(); err != nil {
		return nil, err
	}
	if fd < 0 {
		return nil, errors.New("this kernel has no pidfd")
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return newHandle(fd), nil
}

// introduce hands the config over and waits for the shim's word.
func (s *Starter) introduce(ctx context.Context, conf []byte, to, from *os.File) error {
	stop := context.AfterFunc(ctx, func() {
		_ = to.SetDeadline(time.Unix(1, 0))
		_ = from.SetDeadline(time.Unix(1, 0))
	})
	defer stop()
	_, err := to.Write(conf)
	if err == nil {
		err = to.Close()
	}
	var r readiness
	if err == nil {
		err = json.NewDecoder(from).Decode(&r)
	}
	switch {
	case r.Failure != nil:
		return r.Failure
	case ctx.Err() != nil:
		return fmt.Errorf("start shim: %w", context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("start shim: it ended early, see shim.log: %w", err)
	default:
		return nil
	}
}

// reap keeps an ended shim from staying a zombie.
func (s *Starter) reap(h *handle) {
	s.reapers.Go(func() {
		_ = h.wait(s.ctx)
		_ = h.close()
	})
}
