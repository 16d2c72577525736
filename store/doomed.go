package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"
)

// Doomed returns the names of the Sprites that no session owns any more and that
// are still to be destroyed.
func (s *Store) Doomed(ctx context.Context) ([]string, error) {
	var names []string
	err := s.read(ctx).Table("doomed_sprites").Order("since, name").Pluck("name", &names).Error
	return names, err
}

// OwnedSprites returns the names of the Sprites that sessions have, made or just being
// made.
func (s *Store) OwnedSprites(ctx context.Context) (map[string]bool, error) {
	var names []string
	if err := s.read(ctx).Table("sessions").Where("sprite <> ''").Pluck("sprite", &names).Error; err != nil {
		return nil, fmt.Errorf("read owned sprites: %w", err)
	}
	owned := make(map[string]bool, len(names))
	for _, name := range names {
		owned[name] = true
	}
	return owned, nil
}

// Doom notes that a Sprite is to be destroyed. ErrTooLate means that it is so noted
// already, that a session owns it, or that the session it is named after is active
// and may own it any moment.
func (s *Store) Doom(ctx context.Context, sprite, session string) error {
	return s.write(ctx, func(tx *gorm.DB, now Micros) error {
		return changed(tx.Exec(`INSERT INTO doomed_sprites (name, since) SELECT ?, ?
			WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE sprite = ? AND sprite <> '')
			AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = ? AND status IN ('pending', 'running')) ON CONFLICT DO NOTHING`, sprite, now, sprite, session))
	})
}

// Forget notes that a doomed Sprite is gone.
func (s *Store) Forget(ctx context.Context, sprite string) error {
	return s.write(ctx, func(tx *gorm.DB, _ Micros) error {
		return tx.Exec("DELETE FROM doomed_sprites WHERE name = ?", sprite).Error
	})
}
