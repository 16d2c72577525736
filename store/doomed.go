package store

import (
	"context"

	"gorm.io/gorm"
)

// Doomed returns the names of the Sprites that no session owns any more and that
// are still to be destroyed.
func (s *Store) Doomed(ctx context.Context) ([]string, error) {
	var names []string
	err := s.read(ctx).Table("doomed_sprites").Order("since, name").Pluck("name", &names).Error
	return names, err
}

// Forget notes that a doomed Sprite is gone.
func (s *Store) Forget(ctx context.Context, sprite string) error {
	return s.write(ctx, func(tx *gorm.DB, _ Micros) error {
		return tx.Exec("DELETE FROM doomed_sprites WHERE name = ?", sprite).Error
	})
}
