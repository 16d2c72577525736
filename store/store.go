// Package store is the durable state: users and their tokens, agents and
// environments with every version they had, sessions, turns and rows.
//
// It guarantees that
//   - what a method has returned is on disk, synced;
//   - every method that takes a user sees that user's rows only: somebody else's
//     row is a missing row;
//   - a state changes by one guarded statement that names the state before it, so
//     of several callers exactly one changes it;
//   - secrets are encrypted before they reach the database.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Options say where the state lives and what stands for the outside world.
type Options struct {
	Path string   // the database file; made, readable by its owner only, if missing
	Keys *Keyring // encrypts the secrets

	// MaxSessions is how many sessions a user without a quota of its own may have
	// pending or running at once.
	MaxSessions int

	// Committed, if not nil, is told of each commit: how many callers it answered and how
	// long it took. Everybody who writes waits for it.
	Committed func(callers int, took time.Duration)

	Now   func() time.Time // time.Now if nil
	NewID func() string    // random UUIDs if nil
}

// Store is one open database.
type Store struct {
	readers     *gorm.DB
	writers     *gorm.DB
	writer      *writer
	keys        *Keyring
	maxSessions int
	now         func() time.Time
	newID       func() string
	deployment  string
	path        string

	rows, bytes atomic.Uint64 // that were appended
}

const readers = 4

// Open opens the database, brings its schema up to date and makes sure that the
// keys open what it holds.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{keys: o.Keys, maxSessions: o.MaxSessions, now: o.Now, newID: o.NewID}
	if s.now == nil {
		s.now = time.Now
	}
	if s.newID == nil {
		s.newID = uuid.NewString
	}
	path, err := privateFile(o.Path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s.path = path
	if s.writers, err = connect(path, "_txlock=immediate&_synchronous=FULL&_journal_mode=WAL", 1); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := migrate(ctx, s.writers, s.keys); err != nil {
		return nil, errors.Join(err, disconnect(s.writers))
	}
	if s.readers, err = connect(path, "_query_only=1", readers); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), disconnect(s.writers))
	}
	s.writer = newWriter(s.writers, o.Committed)
	if err := s.settle(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close waits for what is being written and closes the database. Callers that
// come later get an error. It may be called twice.
func (s *Store) Close() error {
	s.writer.close()
	return errors.Join(disconnect(s.readers), disconnect(s.writers))
}

// Deployment returns the random name that tells this database's Sprites from
// those of other deployments: 8 lower-case hexadecimal digits.
func (s *Store) Deployment() string { return s.deployment }

// privateFile makes the file at path with mode 0600 if there is none; SQLite
// gives its companions the mode of the database. One that exists is not opened:
// closing it would drop the locks of whoever has it open in this process.
func privateFile(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return path, nil
	}
	if err != nil {
		return "", err
	}
	return path, f.Close()
}

func connect(path, query string, connections int) (*gorm.DB, error) {
	dsn := (&url.URL{Scheme: "file", Path: path}).String() + "?_foreign_keys=1&_busy_timeout=5000&_cache_size=-16384&" + query
	db, err := gorm.Open(sqlite.Open(dsn), &gorm.Config{
		SkipDefaultTransaction: true,
		PrepareStmt:            true,
		Logger:                 logger.Discard,
	})
	if err != nil {
		return nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections) // a closed connection takes its prepared statements along
	return db, nil
}

func disconnect(db *gorm.DB) error {
	pool, err := db.DB()
	if err != nil {
		return err
	}
	return pool.Close()
}

// read returns the readers. What has begun goes on to its end when ctx does: for one
// that may be cut, the driver starts a goroutine for each row.
func (s *Store) read(ctx context.Context) *gorm.DB {
	return s.readers.WithContext(context.WithoutCancel(ctx))
}

// query asks the readers in the same way, but without GORM: reading a row by reflection
// costs more than SQLite takes to find it. It is for what is read most.
func (s *Store) query(ctx context.Context, query string, values ...any) (*sql.Rows, error) {
	return s.readers.ConnPool.QueryContext(context.WithoutCancel(ctx), query, values...)
}

// write runs do in a transaction that is committed, synced, when write returns.
// now is the one moment of everything that do does.
func (s *Store) write(ctx context.Context, do func(tx *gorm.DB, now Micros) error) error {
	return s.writer.submit(ctx, func(tx *gorm.DB) error { return do(tx, micros(s.now())) })
}

// first loads one row, and says no if there is none.
func first[T any](query *gorm.DB, missing *Error) (*T, error) {
	var row T
	err := query.Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	return &row, nil
}
