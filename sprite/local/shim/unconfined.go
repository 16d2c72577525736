package shim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Without namespaces no kernel ends a Sprite's processes with its init. What holds them together is descent: the shim, its init and every
// supervisor are subreapers, so a process stays below the nearest that lives, whatever it does. Each of them ends what is below it when
// the one above it is gone.

// askedToEnd is the signal on which a shim without namespaces ends its Sprite. (One with namespaces is killed; so is everything in it.)
const askedToEnd = unix.SIGUSR1

// runKeeper is what the init becomes where it has no namespaces: it starts supervisors until the shim is gone.
func runKeeper(l link, cfg Config) error {
	if err := adopt(); err != nil {
		return err
	}
	steady()
	unix.Umask(0o022)
	if err := unix.CloseRange(linkFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close files: %w", err)
	}
	if err := furnish(cfg); err != nil {
		return errors.Join(err, l.send(answer{Failure: failure("build the sprite", err)}))
	}
	err := serveShim(l, None)
	endDescendants()
	return err
}

// adopt makes this process the parent of whatever below it loses its own.
func adopt() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	return nil
}

// endDescendants kills everything below this process and returns when nothing is left.
func endDescendants() {
	killDescendants()
	for options := 0; ; {
		pid, err := syscall.Wait4(-1, nil, options, nil)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return // ECHILD
		}
		if options = syscall.WNOHANG; pid == 0 {
			killDescendants()
			options = 0
		}
	}
}

// furnish makes the folders that commands count on.
func furnish(cfg Config) error {
	t, err := openTree(Root(cfg.Dir))
	if err != nil {
		return err
	}
	for _, d := range []string{"tmp", "workspace", Home[1:]} {
		if err := t.mkdir(d); err != nil {
			return err
		}
	}
	// Login shells begin a PATH of their own. The Sprite may have written its own file since.
	profile := Home[1:] + "/.profile"
	if t.exists(profile) {
		return nil
	}
	return t.put(profile, []byte("PATH='"+strings.ReplaceAll(cfg.realPath(ownPath), "'", `'\''`)+"':\"$PATH\"\n"), 0o644)
}

// endWhenAsked makes the shim's Sprite end on the signal.
func (s *shim) endWhenAsked() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, askedToEnd)
	go func() {
		<-asked
		s.machine.kill()
	}()
}

// endShim ends a shim. One without namespaces is asked first, because it can end everything below it.
func (s state) endShim(ctx context.Context) error {
	if s.Isolation == None {
		h, err := s.Shim.open()
		if err != nil || h == nil {
			return err
		}
		defer h.close()
		if err := h.signal(askedToEnd); err != nil {
			return err
		}
		if over, err := h.patient(ctx); over || err != nil {
			return err
		}
	}
	return end(ctx, s.Shim)
}

// endInit ends the init of a dead shim. One without namespaces ends by itself, and everything below it first.
func (s state) endInit(ctx context.Context) error {
	if s.Isolation == None {
		h, err := s.Init.open()
		if err != nil || h == nil {
			return err
		}
		defer h.close()
		if over, err := h.patient(ctx); over || err != nil {
			return err
		}
	}
	return end(ctx, s.Init)
}

// patient says whether the process ends by itself in good time.
func (h *handle) patient(ctx context.Context) (over bool, err error) {
	grace, cancel := context.WithTimeout(ctx, killGrace)
	defer cancel()
	err = h.wait(grace)
	if ctx.Err() == nil && grace.Err() != nil {
		return false, nil
	}
	return err == nil, err
}
