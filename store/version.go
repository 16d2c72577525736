package store

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"gorm.io/gorm"
)

// Head is what agents and environments have in common.
type Head struct {
	Seq        int64 `gorm:"primaryKey;autoIncrement"`
	ID         string
	UserID     string
	Version    int
	CreatedAt  Micros `gorm:"autoCreateTime:false"`
	UpdatedAt  Micros `gorm:"autoUpdateTime:false"`
	ArchivedAt *Micros
}

// versioned is a row of which every version is kept: an agent or an environment.
type versioned[T any] interface {
	tabled[T]
	head() *Head
	noun() string             // "agent"
	spec() any                // what a version is made of, a value of its own
	versioned() []string      // the columns that have it
	open(keys *Keyring) error // before its present version is compared
	seal(keys *Keyring) error // before it is stored
}

func (h *Head) place() place { return place{h.CreatedAt, h.Seq} }

func missing[T any, P versioned[T]]() *Error {
	return NotFound(capital(P(new(T)).noun()) + " not found")
}

// load returns the user's row, archived or not, as it is stored.
func load[T any, P versioned[T]](db *gorm.DB, user, id string) (P, error) {
	return owned[T, P](db, user, id, missing[T, P]())
}

// create stores row as version 1, with its snapshot and its receipt.
func create[T any, P versioned[T]](ctx context.Context, s *Store, row P, receipt *Receipt[P], check func(tx *gorm.DB) error) error {
	return s.write(ctx, func(tx *gorm.DB, now Micros) error {
		if err := check(tx); err != nil {
			return err
		}
		h := row.head()
		h.ID, h.Version, h.CreatedAt, h.UpdatedAt = s.newID(), 1, now, now
		if err := row.seal(s.keys); err != nil {
			return err
		}
		if err := insert(tx, row); err != nil {
			return fmt.Errorf("insert %s: %w", row.noun(), err)
		}
		if err := keep(tx, row); err != nil {
			return err
		}
		return keepReceipt(tx, s, receipt, row, now)
	})
}

// update runs check and then applies change to the row if version is its present
// one. What differs afterwards becomes the next version, with a snapshot; if
// nothing differs, nothing is written.
func update[T any, P versioned[T]](ctx context.Context, s *Store, user, id string, version int, check func(*gorm.DB) error, change func(tx *gorm.DB, row P) error) (P, error) {
	var row P
	err := s.write(ctx, func(tx *gorm.DB, now Micros) (err error) {
		if err := check(tx); err != nil {
			return err
		}
		if row, err = load[T, P](tx, user, id); err != nil {
			return err
		}
		h := row.head()
		if h.ArchivedAt != nil {
			return Conflict("Cannot update an archived %s", row.noun())
		}
		if version != h.Version {
			return Conflict("Version mismatch: expected %d, got %d", h.Version, version)
		}
		if err := row.open(s.keys); err != nil {
			return err
		}
		before := row.spec()
		if err := change(tx, row); err != nil {
			return err
		}
		if reflect.DeepEqual(before, row.spec()) {
			return nil
		}
		h.Version, h.UpdatedAt = h.Version+1, now
		if err := row.seal(s.keys); err != nil {
			return err
		}
		if err := tx.Model(row).Where("id = ?", id).Select("version", "updated_at", row.versioned()).Updates(row).Error; err != nil {
			return fmt.Errorf("update %s: %w", row.noun(), err)
		}
		return keep(tx, row)
	})
	if err != nil {
		return nil, err
	}
	return row, nil
}

// archive hides the row for good.
func archive[T any, P versioned[T]](ctx context.Context, s *Store, user, id string) (P, error) {
	var row P
	err := s.write(ctx, func(tx *gorm.DB, now Micros) (err error) {
		if row, err = load[T, P](tx, user, id); err != nil {
			return err
		}
		h := row.head()
		if h.ArchivedAt != nil {
			return Conflict("%s is already archived", capital(row.noun()))
		}
		h.ArchivedAt, h.UpdatedAt = &now, now
		return tx.Model(row).Where("id = ?", id).Select("archived_at", "updated_at").Updates(row).Error
	})
	if err != nil {
		return nil, err
	}
	return row, nil
}

// versions returns the snapshots of the user's row, the newest first.
func versions[V any, T any, P versioned[T]](ctx context.Context, s *Store, user, id string) ([]V, error) {
	if _, err := load[T, P](s.read(ctx), user, id); err != nil {
		return nil, err
	}
	kept := []V{}
	err := snapshots[T, P](s.read(ctx), id).Order("version DESC").Find(&kept).Error
	return kept, err
}

// snapshots selects every version of the row.
func snapshots[T any, P versioned[T]](db *gorm.DB, id string) *gorm.DB {
	var none P
	return db.Table(none.noun()+"_versions").Select("*, ? AS "+none.noun()+"_id", id).
		Where(none.noun()+" = (SELECT seq FROM "+none.table()+" WHERE id = ?)", id)
}

// keep copies the present version of row to the versions.
func keep[T any, P versioned[T]](tx *gorm.DB, row P) error {
	columns := "version, " + strings.Join(row.versioned(), ", ")
	_, err := tx.Statement.ConnPool.ExecContext(tx.Statement.Context,
		"INSERT INTO "+row.noun()+"_versions ("+row.noun()+", "+columns+", created_at) SELECT seq, "+columns+", updated_at FROM "+row.table()+" WHERE seq = ?", row.head().Seq)
	if err != nil {
		return fmt.Errorf("keep version of %s: %w", row.noun(), err)
	}
	return nil
}

func capital(noun string) string { return string(noun[0]-'a'+'A') + noun[1:] }
