package store

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"

	"gorm.io/gorm"
)

// tabled is a row of a table that is read and inserted column by column, for it is
// among those that are read most: by reflection that takes longer than SQLite needs.
type tabled[T any] interface {
	*T
	table() string
	columns() string // seq first
	cells() []any    // where the columns go, and come from
}

const headColumns = "seq, id, user_id, version, created_at, updated_at, archived_at, "

func (h *Head) cells() []any {
	return []any{&h.Seq, &h.ID, &h.UserID, &h.Version, &h.CreatedAt, &h.UpdatedAt, &h.ArchivedAt}
}

func (a *Agent) table() string   { return "agents" }
func (a *Agent) columns() string { return headColumns + strings.Join(a.versioned(), ", ") }
func (a *Agent) cells() []any {
	return append(a.Head.cells(), &a.Name, &a.Description, &a.System, &a.Model, &a.Runtime, &a.EnvironmentID,
		inJSON{&a.Skills}, &a.SealedServers, inJSON{&a.Metadata})
}

func (e *Environment) table() string   { return "environments" }
func (e *Environment) columns() string { return headColumns + strings.Join(e.versioned(), ", ") }
func (e *Environment) cells() []any {
	return append(e.Head.cells(), &e.Name, inJSON{&e.Packages}, &e.SealedVars, &e.SetupScript, inJSON{&e.Networking})
}

func (s *Session) table() string { return "sessions" }
func (s *Session) columns() string {
	return "seq, id, user_id, agent_id, agent_version, environment_id, environment_version, runtime, model, status, exit_code, " +
		"resources, runtime_session_id, conversation, sprite, turn_count, last_row, created_at, updated_at"
}
func (s *Session) cells() []any {
	return []any{&s.Seq, &s.ID, &s.UserID, &s.AgentID, &s.AgentVersion, &s.EnvironmentID, &s.EnvironmentVersion, &s.Runtime, &s.Model, &s.Status, &s.ExitCode,
		inJSON{&s.Resources}, &s.RuntimeSessionID, &s.Conversation, &s.Sprite, &s.TurnCount, &s.LastRow, &s.CreatedAt, &s.UpdatedAt}
}

// owned returns the user's row, or says no if there is none.
func owned[T any, P tabled[T]](db *gorm.DB, user, id string, missing *Error) (P, error) {
	var none P
	rows, err := db.Statement.ConnPool.QueryContext(db.Statement.Context,
		"SELECT "+none.columns()+" FROM "+none.table()+" WHERE id = ? AND user_id = ?", id, user)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", none.table(), err)
	}
	found, err := collect(rows, 1, func(row *T) []any { return P(row).cells() })
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", none.table(), err)
	}
	if len(found) == 0 {
		return nil, missing
	}
	return &found[0], nil
}

// insert adds a row, which is told its seq.
func insert[T any, P tabled[T]](tx *gorm.DB, row P) error {
	cells := row.cells()
	columns := strings.TrimPrefix(row.columns(), "seq, ")
	done, err := tx.Statement.ConnPool.ExecContext(tx.Statement.Context,
		"INSERT INTO "+row.table()+" ("+columns+") VALUES (?"+strings.Repeat(", ?", len(cells)-2)+")", cells[1:]...)
	if err != nil {
		return err
	}
	*cells[0].(*int64), err = done.LastInsertId()
	return err
}

// collect reads rows to their end, each through the cells of one. There is room for
// so many at first.
func collect[T any](rows *sql.Rows, room int, cells func(*T) []any) ([]T, error) {
	defer rows.Close()
	all := make([]T, 0, room)
	var row, blank T
	places := cells(&row)
	for rows.Next() {
		row = blank
		if err := rows.Scan(places...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// inJSON is a value that its column has as JSON.
type inJSON struct{ value any }

// Scan reads the value.
func (j inJSON) Scan(column any) error {
	text, isText := column.(string)
	if !isText {
		return fmt.Errorf("a %T is no JSON", column)
	}
	switch value := j.value.(type) { // most are empty
	case *[]json.RawMessage:
		if text == "[]" {
			*value = []json.RawMessage{}
			return nil
		}
	case *map[string]json.RawMessage:
		if text == "{}" {
			*value = map[string]json.RawMessage{}
			return nil
		}
	}
	return json.Unmarshal([]byte(text), j.value)
}

// Value writes it.
func (j inJSON) Value() (driver.Value, error) {
	text, err := json.Marshal(j.value)
	return string(text), err
}
