package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"
)

// Snapshot writes the database at path, as it is at one moment, to a new file. The
// database may be in use, and is not changed, its schema included; what it has deleted is
// not in the new file.
func Snapshot(ctx context.Context, path, to string) error {
	to, err := privateFile(to)
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	db, err := connect(path, "mode=rw", 1)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	err = db.WithContext(ctx).Exec("VACUUM INTO ?", to).Error
	if err := errors.Join(err, disconnect(db)); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	return nil
}

// Description is what a database is said to be without opening it for work.
type Description struct {
	Schema     int // version
	Deployment string
	Sessions   int
	Rows       int
}

// Describe checks every page and every reference of the database at path, which nobody
// has open, and says what it is.
func Describe(ctx context.Context, path string) (d Description, err error) {
	db, err := connect(path, "mode=rw&_query_only=1", 1)
	if err != nil {
		return d, fmt.Errorf("open database: %w", err)
	}
	defer func() { err = errors.Join(err, disconnect(db)) }()
	db = db.WithContext(ctx)
	if err := integrity(db, "integrity_check"); err != nil {
		return d, err
	}
	for query, into := range map[string]any{
		"PRAGMA user_version": &d.Schema,
		"SELECT CAST(value AS TEXT) FROM settings WHERE name = '" + settingDeployment + "'": &d.Deployment,
		"SELECT count(*) FROM sessions": &d.Sessions,
		"SELECT count(*) FROM rows":     &d.Rows,
	} {
		if err := db.Raw(query).Row().Scan(into); err != nil {
			return d, fmt.Errorf("read database: %w", err)
		}
	}
	return d, nil
}

// integrity returns what SQLite says is wrong with the database.
func integrity(db *gorm.DB, check string) error {
	var found []string
	if err := db.Raw("PRAGMA " + check + "(5)").Scan(&found).Error; err != nil {
		return fmt.Errorf("check database: %w", err)
	}
	if len(found) != 1 || found[0] != "ok" {
		return fmt.Errorf("the database is damaged: %s", strings.Join(found, "; "))
	}
	var strays []struct {
		Table  string
		Parent string
	}
	if err := db.Raw("PRAGMA foreign_key_check").Scan(&strays).Error; err != nil {
		return fmt.Errorf("check database: %w", err)
	}
	if len(strays) > 0 {
		return fmt.Errorf("the database is damaged: %d rows refer to what is not there, the first one of %s to one of %s", len(strays), strays[0].Table, strays[0].Parent)
	}
	return nil
}

// Verify looks through the whole database for damage. It takes time, and holds nobody up.
func (s *Store) Verify(ctx context.Context) error { return integrity(s.read(ctx), "quick_check") }

// SchemaVersion is that of the databases that this binary works with.
func SchemaVersion() int {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		panic(err) // they are in the binary
	}
	return len(files)
}

const restored = "turn failed: the server was restored from a backup that was made while this turn had not ended\n"

// Depart makes a restored database a deployment of its own, with a new name: what Sprites
// there are belong to the one that the backup was made of, which may have gone on. So its
// sessions have none, and those that were active have failed.
func (s *Store) Depart(ctx context.Context) error {
	turns, err := s.Unfinished(ctx)
	if err != nil {
		return err
	}
	for _, t := range turns {
		_, err := s.EndTurn(ctx, t.SessionID, t.Number, Outcome{Status: StatusFailed, Rows: []Row{{Turn: t.Number, Stream: Stderr, Data: restored}}})
		if err != nil {
			return fmt.Errorf("end the turns of the backup: %w", err)
		}
	}
	name := s.newDeployment()
	err = s.write(ctx, func(tx *gorm.DB, _ Micros) error {
		for _, statement := range []string{
			"DELETE FROM session_secrets",
			"UPDATE sessions SET sprite = '' WHERE sprite <> ''",
			"DELETE FROM doomed_sprites",
		} {
			if err := tx.Exec(statement).Error; err != nil {
				return err
			}
		}
		return tx.Exec("UPDATE settings SET value = ? WHERE name = ?", []byte(name), settingDeployment).Error
	})
	if err != nil {
		return fmt.Errorf("give up the Sprites of the backup: %w", err)
	}
	s.deployment = name
	return nil
}

// CheckSealed makes sure that the keys open the encrypted values of the database at path,
// which nobody has open: one of them, and that none needs a key that is missing.
func CheckSealed(ctx context.Context, path string, keys *Keyring) (err error) {
	db, err := connect(path, "mode=rw&_query_only=1", 1)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer func() { err = errors.Join(err, disconnect(db)) }()
	db = db.WithContext(ctx)
	var sealed []byte
	if err := db.Raw("SELECT value FROM settings WHERE name = '" + settingCanary + "'").Row().Scan(&sealed); err != nil {
		return fmt.Errorf("read database: %w", err)
	}
	if _, err := keys.open(sealed, settingCanary); err != nil {
		return err
	}
	var version int
	if err := db.Raw("PRAGMA user_version").Row().Scan(&version); err != nil || version < SchemaVersion() {
		return err // the vault is that of the newest schema
	}
	use, err := keyUse(db)
	if err != nil {
		return err
	}
	for _, id := range keys.IDs() {
		delete(use, id)
	}
	if len(use) > 0 {
		return errSealed
	}
	return nil
}
