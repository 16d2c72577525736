package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
)

// Turn is one prompt and everything done for it.
type Turn struct {
	SessionID    string
	Number       int
	Prompt       string
	Timeout      int // seconds
	Status       Status
	ExitCode     *int
	StdoutOffset int64
	StderrOffset int64
	Launched     bool   // in its Sprite, for certain; it may have been, if not
	CreatedAt    Micros `gorm:"autoCreateTime:false"`
	StartedAt    *Micros
	EndedAt      *Micros
}

// ErrTooLate says that the state is not, or no longer, the one that a change
// starts from: somebody else was first, or the row is gone.
var ErrTooLate = errors.New("somebody else was first")

// changed passes the error of a guarded statement on, or says that its guard did
// not hold.
func changed(statement *gorm.DB) error {
	if statement.Error == nil && statement.RowsAffected == 0 {
		return ErrTooLate
	}
	return statement.Error
}

func addTurn(tx *gorm.DB, session string, number int, prompt string, timeout int, now Micros) error {
	turn := &Turn{SessionID: session, Number: number, Prompt: prompt, Timeout: timeout, Status: StatusPending, CreatedAt: now}
	if err := tx.Create(turn).Error; err != nil {
		return fmt.Errorf("insert turn: %w", err)
	}
	return nil
}

// CheckPromptable refuses a session that takes no prompt in its present state.
// A pending one is let through: the body's errors come first, and AddTurn
// refuses it.
func (s *Store) CheckPromptable(ctx context.Context, user, id string) error {
	row, err := s.Session(ctx, user, id)
	if err != nil {
		return err
	}
	if row.Status == StatusPending {
		return nil
	}
	return promptable(row)
}

func promptable(row *Session) error {
	switch row.Status {
	case StatusPending:
		return Conflict("Session already has a pending turn")
	case StatusRunning:
		return Conflict("Session is already running")
	case StatusFailed:
		return Conflict("Session has failed and cannot be resumed. Start a new session.")
	case StatusTerminated:
		return Conflict("Session has been terminated")
	}
	if row.Sprite == "" {
		return Conflict("Session backend is no longer available; start a new session.")
	}
	return nil
}

// AddTurn stores the next turn of a completed session, which is pending again
// from then on. It returns the turn's number. The turn comes with the receipt if
// there is one.
func (s *Store) AddTurn(ctx context.Context, user, id, prompt string, timeout int, receipt *Receipt[int]) (int, error) {
	var number int
	err := s.write(ctx, func(tx *gorm.DB, now Micros) error {
		row, err := session(tx, user, id)
		if err != nil {
			return err
		}
		if err := promptable(row); err != nil {
			return err
		}
		number = row.TurnCount + 1
		err = changed(tx.Exec("UPDATE sessions SET status = 'pending', exit_code = NULL, turn_count = ?, updated_at = ? WHERE id = ? AND status = 'completed'", number, now, id))
		if err != nil {
			return err
		}
		if err := addTurn(tx, id, number, prompt, timeout, now); err != nil {
			return err
		}
		return keepReceipt(tx, s, receipt, number, now)
	})
	return number, err
}

// Turns returns the turns of the user's session in order.
func (s *Store) Turns(ctx context.Context, user, id string) ([]Turn, error) {
	if _, err := s.Session(ctx, user, id); err != nil {
		return nil, err
	}
	turns := []Turn{}
	err := s.read(ctx).Where("session_id = ?", id).Order("number").Find(&turns).Error
	return turns, err
}

// StartTurn takes a pending turn and its pending session to running, with the
// row that says so. ErrTooLate means that the turn must not be started.
func (s *Store) StartTurn(ctx context.Context, id string, number int, row Row) (Span, error) {
	var span Span
	err := s.write(ctx, func(tx *gorm.DB, now Micros) error {
		err := changed(tx.Exec("UPDATE sessions SET status = 'running', updated_at = ? WHERE id = ? AND status = 'pending'", now, id))
		if err != nil {
			return err
		}
		err = changed(tx.Exec("UPDATE turns SET status = 'running', started_at = ? WHERE session_id = ? AND number = ? AND status = 'pending'", now, id, number))
		if err != nil {
			return err
		}
		span, err = appendRows(tx, id, []Row{row})
		return err
	})
	return s.stored(span, err)
}

// MarkLaunched notes that a running turn has been launched in its Sprite, so that
// it never is again.
func (s *Store) MarkLaunched(ctx context.Context, id string, number int) error {
	return s.write(ctx, func(tx *gorm.DB, _ Micros) error {
		return changed(tx.Exec("UPDATE turns SET launched = 1 WHERE session_id = ? AND number = ? AND status = 'running'", id, number))
	})
}

// Outcome is how a turn ended.
type Outcome struct {
	Status   Status // StatusCompleted or StatusFailed
	ExitCode *int   // nil if the runtime did not exit by itself
	Aborted  bool   // the turn was given up before it could start
	Rows     []Row  // its last rows

	Conversation string // the session's, where the turn has told it
}

// EndTurn writes the last rows of a turn and its outcome. The session takes the
// outcome on unless it has been terminated meanwhile; a failed session gives its
// Sprite up. ErrTooLate means that the turn had ended before.
func (s *Store) EndTurn(ctx context.Context, id string, number int, end Outcome) (Span, error) {
	var span Span
	err := s.write(ctx, func(tx *gorm.DB, now Micros) (err error) {
		if span, err = appendRows(tx, id, end.Rows); err != nil {
			return err
		}
		started := gorm.Expr("started_at")
		if end.Aborted {
			started = gorm.Expr("?", now)
		}
		err = changed(tx.Exec("UPDATE turns SET status = ?, exit_code = ?, started_at = ?, ended_at = ? WHERE session_id = ? AND number = ? AND status IN ('pending', 'running')",
			end.Status, end.ExitCode, started, now, id, number))
		if err != nil {
			return err
		}
		err = changed(tx.Exec("UPDATE sessions SET status = ?, exit_code = ?, conversation = coalesce(nullif(?, ''), conversation), updated_at = ? WHERE id = ? AND status IN ('pending', 'running')",
			end.Status, end.ExitCode, end.Conversation, now, id))
		if err == ErrTooLate { // terminated: it stays so
			return nil
		}
		if err != nil || end.Status != StatusFailed {
			return err
		}
		var sprite string
		if err := tx.Raw("SELECT sprite FROM sessions WHERE id = ?", id).Scan(&sprite).Error; err != nil {
			return err
		}
		return release(tx, id, sprite, now)
	})
	return s.stored(span, err)
}

// Unfinished returns every turn that is pending or running, in order of age. On
// start those are the turns that the last server left.
func (s *Store) Unfinished(ctx context.Context) ([]Turn, error) {
	var turns []Turn
	err := s.read(ctx).Where("status IN ('pending', 'running')").Order("created_at, session_id, number").Find(&turns).Error
	return turns, err
}
