package store

import (
	"context"
	"errors"

	"gorm.io/gorm"
)

// User owns agents, environments and sessions.
type User struct {
	ID   string
	Name string
	// MaxSessions overrides the server's quota if it is set and not zero.
	MaxSessions *int
	Active      int    `gorm:"->;-:migration"` // sessions pending or running, in lists
	CreatedAt   Micros `gorm:"autoCreateTime:false"`
}

var errNoUser = NotFound("User not found")

// Users returns all users, in the order of their names.
func (s *Store) Users(ctx context.Context) ([]User, error) {
	var users []User
	err := s.read(ctx).Select("users.*, (SELECT count(*) FROM sessions WHERE user_id = users.id AND status IN ('pending', 'running')) AS active").
		Order("name").Find(&users).Error
	return users, err
}

// SetQuota sets how many sessions the user of that name may have active at once;
// 0 means as many as the server allows everybody.
func (s *Store) SetQuota(ctx context.Context, name string, sessions int) error {
	return s.write(ctx, func(tx *gorm.DB, _ Micros) error {
		err := changed(tx.Exec("UPDATE users SET max_sessions = nullif(?, 0) WHERE name = ?", sessions, name))
		if errors.Is(err, ErrTooLate) {
			return NotFound("there is no user " + name + "; see: aod user list")
		}
		return err
	})
}

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
