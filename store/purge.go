package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// purgeBatch is how many rows are deleted in one transaction. Whoever writes meanwhile
// waits for one of them at most.
const purgeBatch = 256

// PurgeRows deletes the rows of sessions that have come to an end and have not changed for
// at least that long, the oldest first, and returns how many. Sessions and turns stay; the
// rows of a later turn are numbered on.
func (s *Store) PurgeRows(ctx context.Context, unchanged time.Duration) (count int64, err error) {
	since := micros(s.now().Add(-unchanged))
	var sessions []int64
	err = s.read(ctx).Raw("SELECT seq FROM sessions WHERE status IN ('completed', 'failed', 'terminated') AND updated_at <= ? AND EXISTS (SELECT 1 FROM rows WHERE session = seq)", since).
		Scan(&sessions).Error
	if err != nil {
		return 0, fmt.Errorf("find sessions with old rows: %w", err)
	}
	for _, session := range sessions {
		for deleted := int64(purgeBatch); deleted == purgeBatch; count += deleted {
			if deleted, err = s.purge(ctx, session, since); err != nil {
				return count, fmt.Errorf("delete old rows: %w", err)
			}
		}
	}
	return count, nil
}

// purge deletes a batch of rows of a session that is as it was found: a prompt may have come
// meanwhile.
func (s *Store) purge(ctx context.Context, session int64, since Micros) (deleted int64, err error) {
	err = s.write(ctx, func(tx *gorm.DB, _ Micros) error {
		done := tx.Exec(`DELETE FROM rows WHERE session = ? AND id IN (SELECT id FROM rows WHERE session = ? ORDER BY id LIMIT ?)
			AND EXISTS (SELECT 1 FROM sessions WHERE seq = ? AND status IN ('completed', 'failed', 'terminated') AND updated_at <= ?)`, session, session, purgeBatch, session, since)
		deleted = done.RowsAffected
		return done.Error
	})
	return deleted, err
}
