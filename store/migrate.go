package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"gorm.io/gorm"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema to the newest version, forward only, in one
// immediate transaction: of two processes that start at once, the second waits
// and finds the work done. SQLite's user_version is the number of files applied.
func migrate(ctx context.Context, db *gorm.DB, keys *Keyring) (err error) {
	pool, err := db.DB()
	if err != nil {
		return err
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("lock the database: %w", err)
	}
	if err := apply(ctx, tx, keys); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// steps are what a migration has to do beside its script, by the schema version
// that it leads to.
var steps = map[int]func(ctx context.Context, tx *sql.Tx, keys *Keyring) error{3: sealServers}

func apply(ctx context.Context, tx *sql.Tx, keys *Keyring) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if version > len(files) {
		return fmt.Errorf("the database has schema version %d and this binary knows up to %d: it was last opened by a newer aod; run that one, or restore a backup", version, len(files))
	}
	for i, name := range files[version:] {
		script, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(script)); err != nil {
			return fmt.Errorf("apply %s: %w", name, err)
		}
		if step := steps[version+i+1]; step != nil {
			if err := step(ctx, tx, keys); err != nil {
				return fmt.Errorf("apply %s: %w", name, err)
			}
		}
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version+i+1)); err != nil {
			return fmt.Errorf("record %s: %w", name, err)
		}
	}
	return nil
}
