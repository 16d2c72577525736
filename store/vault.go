package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"
)

// sealedColumn is one that holds encrypted values. Its rows are told by their key, and
// what a value is for by its owner.
type sealedColumn struct {
	table, column string
	only          string // a condition on the rows that have one, if not all may
	key           []string
	owner         []string // expressions
	purpose       func(owner []string) string
}

// vault is every column that holds encrypted values.
var vault = []sealedColumn{
	{"settings", "value", "name = '" + settingCanary + "'", []string{"name"}, []string{"name"}, itself},
	{"agents", "sealed_servers", "", []string{"seq"}, []string{"id"}, func(o []string) string { return serversOf(o[0]) }},
	{"agent_versions", "sealed_servers", "", []string{"agent", "version"}, []string{"(SELECT id FROM agents WHERE seq = agent)"}, func(o []string) string { return serversOf(o[0]) }},
	{"environments", "sealed_vars", "", []string{"seq"}, []string{"id"}, func(o []string) string { return varsOf(o[0]) }},
	{"environment_versions", "sealed_vars", "", []string{"environment", "version"}, []string{"(SELECT id FROM environments WHERE seq = environment)"}, func(o []string) string { return varsOf(o[0]) }},
	{"session_secrets", "sealed", "", []string{"session_id", "kind", "name"}, []string{"session_id", "kind", "name"},
		func(o []string) string { return sessionSecret{SessionID: o[0], Kind: o[1], Name: o[2]}.purpose() }},
	{"receipts", "sealed", "", []string{"user_id", "path", "key"}, []string{"user_id", "path", "key"},
		func(o []string) string { return Keyed{User: o[0], Path: o[1], Key: o[2]}.purpose() }},
}

func itself(o []string) string { return o[0] }

// where is the condition that column has a value.
func (c sealedColumn) where() string {
	if c.only != "" {
		return c.column + " IS NOT NULL AND " + c.only
	}
	return c.column + " IS NOT NULL"
}

// at is the condition that takes the key of a row.
func (c sealedColumn) at() string { return strings.Join(c.key, " = ? AND ") + " = ?" }

// idOf is the expression for the id of the key that a value is encrypted with.
func (c sealedColumn) idOf() string { return fmt.Sprintf("substr(%s, 1, %d)", c.column, keyIDSize) }

// KeyUse counts the encrypted values that the database holds by the key that each is
// encrypted with, by the ids of the keys in hexadecimal.
func (s *Store) KeyUse(ctx context.Context) (map[string]int, error) {
	return keyUse(s.read(ctx))
}

func keyUse(db *gorm.DB) (map[string]int, error) {
	use := map[string]int{}
	for _, c := range vault {
		var found []struct {
			ID    string
			Count int
		}
		err := db.Raw("SELECT lower(hex(" + c.idOf() + ")) AS id, count(*) AS count FROM " + c.table + " WHERE " + c.where() + " GROUP BY 1").Scan(&found).Error
		if err != nil {
			return nil, fmt.Errorf("count encrypted values of %s: %w", c.table, err)
		}
		for _, f := range found {
			use[f.ID] += f.Count
		}
	}
	return use, nil
}

// stale returns the keys of the rows whose values are encrypted with another key than
// that.
func (c sealedColumn) stale(db *gorm.DB, current []byte) (keys [][]any, err error) {
	rows, err := db.Raw("SELECT "+strings.Join(c.key, ", ")+" FROM "+c.table+" WHERE "+c.where()+" AND "+c.idOf()+" <> ?", current).Rows()
	if err != nil {
		return nil, fmt.Errorf("look for encrypted values of %s: %w", c.table, err)
	}
	defer rows.Close()
	for rows.Next() {
		key, cells := cells(len(c.key))
		if err := rows.Scan(cells...); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

func cells(n int) (values, pointers []any) {
	values, pointers = make([]any, n), make([]any, n)
	for i := range values {
		pointers[i] = &values[i]
	}
	return values, pointers
}

// reseal encrypts the value of one row anew. A row that is gone needs nothing.
func (c sealedColumn) reseal(tx *gorm.DB, keys *Keyring, key []any) error {
	owner := make([]string, len(c.owner))
	var value []byte
	cells := []any{&value}
	for i := range owner {
		cells = append(cells, &owner[i])
	}
	rows, err := tx.Raw("SELECT "+c.column+", "+strings.Join(c.owner, ", ")+" FROM "+c.table+" WHERE "+c.where()+" AND "+c.at(), key...).Rows()
	if err != nil {
		return err
	}
	there := rows.Next()
	if there {
		err = rows.Scan(cells...)
	}
	if err := errors.Join(err, rows.Err(), rows.Close()); err != nil || !there {
		return err
	}
	plain, err := keys.open(value, c.purpose(owner))
	if err != nil {
		return err
	}
	return tx.Exec("UPDATE "+c.table+" SET "+c.column+" = ? WHERE "+c.at(), append([]any{keys.seal(plain, c.purpose(owner))}, key...)...).Error
}
