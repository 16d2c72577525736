package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// counted is how many sessions have a status.
type counted struct {
	Status Status
	N      int64
}

// CountSessions returns how many sessions there are of each status. It takes no longer
// when there are many.
func (s *Store) CountSessions(ctx context.Context) (map[Status]int64, error) {
	rows, err := s.query(ctx, "SELECT status, n FROM session_counts")
	if err != nil {
		return nil, fmt.Errorf("count sessions: %w", err)
	}
	found, err := collect(rows, 0, func(c *counted) []any { return []any{&c.Status, &c.N} })
	if err != nil {
		return nil, fmt.Errorf("count sessions: %w", err)
	}
	counts := make(map[Status]int64, len(found))
	for _, c := range found {
		counts[c.Status] = c.N
	}
	return counts, nil
}

// CountSprites returns how many Sprites sessions have, and how many nobody has that are
// still to be destroyed.
func (s *Store) CountSprites(ctx context.Context) (owned, doomed int64, err error) {
	err = s.readers.ConnPool.QueryRowContext(context.WithoutCancel(ctx),
		"SELECT (SELECT count(*) FROM sessions WHERE sprite <> ''), (SELECT count(*) FROM doomed_sprites)").Scan(&owned, &doomed)
	if err != nil {
		return 0, 0, fmt.Errorf("count sprites: %w", err)
	}
	return owned, doomed, nil
}

// Stored returns how many rows this process has stored, and how many bytes their frames
// have.
func (s *Store) Stored() (rows, bytes uint64) { return s.rows.Load(), s.bytes.Load() }

// stored passes on the outcome of a transaction that has appended rows, and counts them.
func (s *Store) stored(span Span, err error) (Span, error) {
	if err != nil {
		return span, err
	}
	size := 0
	for _, f := range span.Frames {
		size += len(f.Data)
	}
	s.rows.Add(uint64(len(span.Frames)))
	s.bytes.Add(uint64(size))
	return span, nil
}

// Size returns how many bytes the database's file has, and how many the log of what is
// still to be brought into it.
func (s *Store) Size() (database, log int64, err error) {
	if database, err = size(s.path); err != nil {
		return 0, 0, err
	}
	log, err = size(s.path + "-wal")
	return database, log, err
}

// size is that of a file, 0 if there is none.
func size(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look at the database's size: %w", err)
	}
	return info.Size(), nil
}
