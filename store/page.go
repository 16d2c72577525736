package store

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"gorm.io/gorm"
)

// Page says which part of a list is asked for. The zero Page is the whole list.
type Page struct {
	Limit  int    // how many rows at most; 0 for all
	Cursor string // where the page begins: the Next of the page before, or empty
}

// List is a list, or a page of one, newest row first.
type List[T any] struct {
	Rows []T
	Next string // cursor of the page after this one, empty if there is none
}

// ErrCursor says that a cursor is not one that this list has given to this user.
var ErrCursor = errors.New("cursor is not the next_cursor of this list")

// listed is a row that lists show. They are ordered by its place, the newest
// first, and pages are told apart by it: rows that come later change nothing.
type listed[T any] interface {
	tabled[T]
	place() place
}

type place struct {
	created Micros
	seq     int64
}

// find returns the page of what query selects. name tells the list from others.
func find[T any, P listed[T]](s *Store, query *gorm.DB, name, user string, page Page) (*List[T], error) {
	query = query.Where("user_id = ?", user).Order("created_at DESC, seq DESC")
	purpose := "cursor " + name + " " + user
	if page.Cursor != "" {
		last, err := s.openCursor(page.Cursor, purpose)
		if err != nil {
			return nil, err
		}
		query = query.Where("(created_at, seq) < (?, ?)", last.created, last.seq)
	}
	room := 0
	if page.Limit > 0 {
		room = page.Limit + 1 // one more, to know whether there are more
		query = query.Limit(room)
	}
	rows, err := query.Table(name).Select(P.columns(nil)).Rows()
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", name, err)
	}
	list := &List[T]{}
	if list.Rows, err = collect(rows, room, func(row *T) []any { return P(row).cells() }); err != nil {
		return nil, fmt.Errorf("list %s: %w", name, err)
	}
	if page.Limit > 0 && len(list.Rows) > page.Limit {
		list.Rows = list.Rows[:page.Limit]
		list.Next = s.cursor(P(&list.Rows[page.Limit-1]).place(), purpose)
	}
	return list, nil
}

// cursor is sealed: it tells nothing and cannot be made up.
func (s *Store) cursor(last place, purpose string) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(last.created))
	plain = binary.BigEndian.AppendUint64(plain, uint64(last.seq))
	return base64.RawURLEncoding.EncodeToString(s.keys.seal(plain, purpose))
}

func (s *Store) openCursor(text, purpose string) (place, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return place{}, ErrCursor
	}
	plain, err := s.keys.open(sealed, purpose)
	if err != nil || len(plain) != 16 {
		return place{}, ErrCursor
	}
	return place{created: Micros(binary.BigEndian.Uint64(plain)), seq: int64(binary.BigEndian.Uint64(plain[8:]))}, nil
}
