package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
)

// idleBatch is how many sessions give up their Sprites in one transaction.
const idleBatch = 256

// idle is a session that may have been completed for long.
type idle struct{ ID, Sprite string }

// ReleaseIdle lets go of the Sprites of sessions that are completed and have not
// changed for at least that long, and returns the sessions' ids. Such a session takes
// no more prompts; of a prompt that comes at the same time one is first, and the
// other finds its state gone.
func (s *Store) ReleaseIdle(ctx context.Context, unchanged time.Duration) ([]string, error) {
	since := micros(s.now().Add(-unchanged))
	var found []idle
	err := s.read(ctx).Table("sessions").Where("sprite <> '' AND status = 'completed' AND updated_at <= ?", since).Order("updated_at, seq").Find(&found).Error
	if err != nil {
		return nil, fmt.Errorf("find idle sessions: %w", err)
	}
	var released []string
	for batch := range slices.Chunk(found, idleBatch) {
		var done []string
		err := s.write(ctx, func(tx *gorm.DB, now Micros) error {
			for _, session := range batch {
				switch err := releaseIdle(tx, session, since, now); {
				case err == nil:
					done = append(done, session.ID)
				case !errors.Is(err, ErrTooLate):
					return err
				}
			}
			return nil
		})
		if err != nil {
			return released, fmt.Errorf("release idle sprites: %w", err)
		}
		released = append(released, done...)
	}
	return released, nil
}

// releaseIdle takes the Sprite from a session that is as idle as it was found.
func releaseIdle(tx *gorm.DB, session idle, since, now Micros) error {
	err := changed(tx.Exec("UPDATE sessions SET sprite = '' WHERE id = ? AND sprite = ? AND status = 'completed' AND updated_at <= ?", session.ID, session.Sprite, since))
	if err != nil {
		return err
	}
	return release(tx, session.ID, session.Sprite, now)
}
