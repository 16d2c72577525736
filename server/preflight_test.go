package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestPreflightGoesOnUntilSpritesRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int32
		p := &preflight{log: slog.New(slog.DiscardHandler), attempt: func(_ context.Context, ran func()) error {
			if attempts.Add(1) <= 6 {
				return errors.New("not yet")
			}
			ran()
			return errors.New("it could not be destroyed")
		}}
		end := p.begin(t.Context())
		defer end()
		synctest.Wait()
		if attempts.Load() != 1 || p.known() {
			t.Errorf("%d attempts, known: %v", attempts.Load(), p.known())
		}
		for range 100 {
			p.known()
		}
		if err := p.check(t.Context()); err == nil || attempts.Load() != 1 {
			t.Errorf("%v after %d attempts", err, attempts.Load())
		}
		time.Sleep(5*time.Second + 10*time.Second + 20*time.Second + 40*time.Second + time.Minute + time.Minute) // the bubble's
		synctest.Wait()
		if attempts.Load() != 7 || !p.known() || p.check(t.Context()) != nil {
			t.Errorf("%d attempts, known: %v", attempts.Load(), p.known())
		}
		time.Sleep(time.Hour)
		if attempts.Load() != 7 {
			t.Errorf("%d attempts", attempts.Load())
		}
	})
}

func TestServiceNeedsNoPreflight(t *testing.T) {
	t.Parallel()
	if p := (*preflight)(nil); !p.known() || p.check(t.Context()) != nil {
		t.Error("a service is not known to run")
	}
}
