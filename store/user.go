package store

import (
	"context"

	"gorm.io/gorm"
)

// User owns agents, environments and sessions.
type User struct {
	ID   string
	Name string
	// MaxSessions overrides the server's quota if it is set and not zero.
	MaxSessions *int
	CreatedAt   Micros `gorm:"autoCreateTime:false"`
}

var errNoUser = NotFound("User not found")

// EnsureUser returns the user of that name, made now if there is none.
func (s *Store) EnsureUser(ctx context.Context, name string) (*User, error) {
	var user *User
	err := s.write(ctx, func(tx *gorm.DB, now Micros) (err error) {
		user, err = s.ensureUser(tx, name, now)
		return err
	})
	return user, err
}

func (s *Store) ensureUser(tx *gorm.DB, name string, now Micros) (*User, error) {
	err := tx.Exec("INSERT INTO users (id, name, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING", s.newID(), name, now).Error
	if err != nil {
		return nil, err
	}
	return first[User](tx.Where("name = ?", name), errNoUser)
}
