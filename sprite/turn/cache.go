package turn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Cache keeps the files of Sprites as environments leave them, for the next session with the same environment to start from.
type Cache interface {
	// CreateFrom makes a Sprite with the files of a snapshot, or answers false where there is none to make it of.
	CreateFrom(ctx context.Context, name string, of Snapshot, labels ...string) (bool, error)
	// Keep makes a snapshot of a Sprite without what is below the paths of except. Nothing may run in the Sprite meanwhile.
	Keep(ctx context.Context, name string, of Snapshot, except ...string) error
	DropSnapshots(environment string) error
	SnapshotEnvironments() ([]string, error)
}

// Snapshot names the files of a Sprite as they are when a version of an environment has been set up in it.
type Snapshot struct {
	Environment string // of whose versions the newest is kept
	Version     int
	Key         string // of all that the files depend on, besides the Cache's machine
}

// snapshot names what the session's environment leaves, as far as other sessions of it can start from that. Of a session with repositories
// these are the packages alone, for the script may have to do with the repositories.
func (w *worker) snapshot() (of Snapshot, cacheable bool) {
	session := w.brief.Session
	shared, _ := w.scripts()
	if w.Cache == nil || session.EnvironmentID == nil || len(shared) == 0 {
		return Snapshot{}, false
	}
	// Not only the version: a database that is restored from a copy may give a number twice.
	text, err := json.Marshal([]any{
		w.Store.Deployment(), session.UserID, *session.EnvironmentID, session.EnvironmentVersion,
		shared, w.brief.Environment.Networking, w.runtime.Name, w.installed(),
	})
	if err != nil {
		return Snapshot{}, false
	}
	sum := sha256.Sum256(text)
	return Snapshot{*session.EnvironmentID, session.EnvironmentVersion, hex.EncodeToString(sum[:])}, true
}

// createFrom makes the session's Sprite from a snapshot, if there is one.
func (w *worker) createFrom(ctx context.Context, labels ...string) (err error) {
	w.cached = false
	if of, cacheable := w.snapshot(); cacheable {
		w.cached, err = w.Cache.CreateFrom(ctx, w.brief.Session.Sprite, of, labels...)
	}
	return err
}

// keep makes a snapshot for the sessions to come. That it fails is no failure of this one.
func (w *worker) keep(ctx context.Context) {
	of, cacheable := w.snapshot()
	if !cacheable {
		return
	}
	if err := w.Cache.Keep(ctx, w.brief.Session.Sprite, of, home+"/.aod"); err != nil && ctx.Err() == nil {
		w.log.InfoContext(ctx, "the environment is not cached", "environment", of.Environment, "version", of.Version, "error", err)
	}
}

// ForgetEnvironment removes what is kept of an environment that no session will start with any more.
func (s *Supervisor) ForgetEnvironment(environment string) {
	if s.Cache == nil {
		return
	}
	if err := s.Cache.DropSnapshots(environment); err != nil {
		s.complain("forget environment", "environment", environment, "error", err)
	}
}

// sweepCache forgets the environments that are gone or archived.
func (s *Supervisor) sweepCache() error {
	if s.Cache == nil {
		return nil
	}
	kept, err := s.Cache.SnapshotEnvironments()
	if err != nil || len(kept) == 0 {
		return err
	}
	living, err := s.Store.LivingEnvironments(s.ctx)
	if err != nil {
		return err
	}
	for _, environment := range kept {
		if living[environment] {
			continue
		}
		if err := s.Cache.DropSnapshots(environment); err != nil {
			return fmt.Errorf("forget environment: %w", err)
		}
	}
	return nil
}
