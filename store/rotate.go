package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"
)

// resealBatch is how many values are encrypted anew in one transaction. Whoever writes
// meanwhile waits for one of them at most.
const resealBatch = 100

var errGivenKeys = errors.New("the keys are those of AOD_ENCRYPTION_KEY, which only you can change")

// AddKey puts a new key before the others of the key file. From here on it is the one that
// encrypts, in every process that has the database open, and all decrypt.
func (s *Store) AddKey() error {
	if !s.keys.Filed() {
		return errGivenKeys
	}
	made, err := parseKey(NewKey().Reveal())
	if err != nil {
		return err
	}
	return s.keys.file.write(append([]key{made}, s.keys.current()...))
}

// Reseal encrypts with the first key whatever is encrypted with another one, and returns
// how many values that were. It may be cut at any moment and done again.
func (s *Store) Reseal(ctx context.Context) (count int, err error) {
	current := s.keys.current()[0].id
	for _, c := range vault {
		stale, err := c.stale(s.read(ctx), current)
		if err != nil {
			return count, err
		}
		for batch := range slices.Chunk(stale, resealBatch) {
			err := s.write(ctx, func(tx *gorm.DB, _ Micros) error {
				for _, row := range batch {
					if err := c.reseal(tx, s.keys, row); err != nil {
						return fmt.Errorf("encrypt a value of %s anew: %w", c.table, err)
					}
				}
				return nil
			})
			if err != nil {
				return count, err
			}
			count += len(batch)
		}
	}
	return count, nil
}

// DropKeys takes every key but the first from the key file, unless a value is encrypted
// with one of them. It returns the ids of those that it took.
func (s *Store) DropKeys(ctx context.Context) (dropped []string, err error) {
	if !s.keys.Filed() {
		return nil, errGivenKeys
	}
	// In a transaction: nobody encrypts anything with an old key between the look at the
	// database and the change of the file.
	err = s.write(ctx, func(tx *gorm.DB, _ Micros) error {
		keys := s.keys.current()
		for _, c := range vault {
			stale, err := c.stale(tx, keys[0].id)
			if err != nil {
				return err
			}
			if len(stale) > 0 {
				return fmt.Errorf("%d values of %s are still encrypted with an older key: run aod key rotate again", len(stale), c.table)
			}
		}
		dropped = nil
		for _, k := range keys {
			if !bytes.Equal(k.id, keys[0].id) {
				dropped = append(dropped, k.name())
			}
		}
		if len(dropped) == 0 {
			return nil
		}
		return s.keys.file.write(keys[:1])
	})
	return dropped, err
}

// Keys returns the ids of the keys, in hexadecimal, the one that encrypts first.
func (s *Store) Keys() []string { return s.keys.IDs() }
