package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
)

// setting is a value that belongs to the database as a whole.
type setting struct {
	Name  string
	Value []byte
}

const (
	settingDeployment = "deployment"
	settingCanary     = "canary" // a known text, sealed: shows whether the keys fit
	canary            = "agent on demand"
)

// settle makes the settings of a new database and checks the keys against an old one.
func (s *Store) settle(ctx context.Context) error {
	err := s.write(ctx, func(tx *gorm.DB, _ Micros) error {
		for name, value := range map[string][]byte{
			settingDeployment: []byte(s.newDeployment()),
			settingCanary:     s.keys.seal([]byte(canary), settingCanary),
		} {
			if err := tx.Exec("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", name, value).Error; err != nil {
				return fmt.Errorf("make setting %s: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	deployment, err := s.setting(ctx, settingDeployment)
	if err != nil {
		return err
	}
	s.deployment = string(deployment)
	return s.CheckKeys(ctx)
}

func (s *Store) newDeployment() string { return strings.ReplaceAll(s.newID(), "-", "")[:8] }

func (s *Store) setting(ctx context.Context, name string) ([]byte, error) {
	row, err := first[setting](s.read(ctx).Where("name = ?", name), NotFound("setting "+name+" is missing"))
	if err != nil {
		return nil, err
	}
	return row.Value, nil
}

// Check reads from the database.
func (s *Store) Check(ctx context.Context) error {
	_, err := s.setting(ctx, settingDeployment)
	return err
}

// CheckKeys decrypts a value that the database holds.
func (s *Store) CheckKeys(ctx context.Context) error {
	sealed, err := s.setting(ctx, settingCanary)
	if err != nil {
		return err
	}
	plain, err := s.keys.open(sealed, settingCanary)
	if err == nil && string(plain) != canary {
		err = errors.New("the canary has changed")
	}
	return err
}

// Newest returns the latest moment at which the database says that something was changed;
// zero if it is new.
func (s *Store) Newest(ctx context.Context) (time.Time, error) {
	var newest Micros
	err := s.read(ctx).Raw(`SELECT coalesce(max(at), 0) FROM (
		SELECT max(updated_at) AS at FROM sessions UNION ALL SELECT max(updated_at) FROM agents UNION ALL
		SELECT max(updated_at) FROM environments UNION ALL SELECT max(created_at) FROM tokens)`).Row().Scan(&newest)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the newest moment: %w", err)
	}
	return newest.Time(), nil
}
