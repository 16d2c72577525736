package shim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/cgroup"
)

// Stop kills everything in the Sprite of dir, waits until it is gone, and returns a hold that keeps any shim from starting.
func Stop(ctx context.Context, dir string) (release func() error, err error) {
	for {
		l, free, err := tryLock(dir)
		if err != nil {
			return nil, err
		}
		st, err := readState(dir)
		if err != nil {
			return nil, err
		}
		if !free {
			if err := st.endShim(ctx); err != nil {
				return nil, fmt.Errorf("stop shim: %w", err)
			}
			if err := st.endInit(ctx); err != nil {
				return nil, fmt.Errorf("stop sprite: %w", err)
			}
			// A shim that has just taken the lock may not have written its name yet; look again soon.
			select {
			case <-ctx.Done():
				return nil, fmt.Errorf("stop shim: %w", context.Cause(ctx))
			case <-time.After(time.Millisecond):
			}
			continue
		}
		// The init of a dead shim is about to end; nobody else may have it.
		if err := st.endInit(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("stop sprite: %w", err), l.release())
		}
		if err := cgroup.Find().Remove(groupName(dir)); err != nil {
			return nil, errors.Join(err, l.release())
		}
		return l.release, nil
	}
}

// end kills a process, if it is still the one that is meant, and waits for its end.
func end(ctx context.Context, id identity) error {
	h, err := id.open()
	if err != nil || h == nil {
		return err
	}
	defer h.close()
	if err := h.kill(); err != nil {
		return err
	}
	return h.wait(ctx)
}
