package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
)

// Stage is a named step of provisioning.
type Stage string

// The stages, in the order in which a session goes through them.
const (
	StageCreateSprite   Stage = "create_sprite"
	StageInstallRuntime Stage = "install_runtime"
	StageNetworkPolicy  Stage = "network_policy"
	StageEnvFile        Stage = "env_file"
	StageGitCredentials Stage = "git_credentials"
	StageProvisionSetup Stage = "provision_setup"
	StageRuntimeConfig  Stage = "runtime_config"
	StageSkills         Stage = "skills"
	StageRuntimeStart   Stage = "runtime_start"
)

// StageState says how far a stage has come.
type StageState string

// The states of a stage.
const (
	StageStarted StageState = "started"
	StageDone    StageState = "done"
	StageFailed  StageState = "failed"
)

// Stream is one of the two output streams of a turn.
type Stream string

// The output streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// Row is one entry of a session's log: a stage's change of state if Stage is
// set, else a piece of output.
type Row struct {
	Turn   int // 0 for stages
	Stream Stream
	Data   string // the output, or why the stage failed

	Stage Stage
	State StageState
	Took  time.Duration // of a stage that has ended

	Cached bool // what the stage does was done for a session before
}

// Span is a run of rows that were appended together: the row before them, and
// the rows as frames.
type Span struct {
	After  int64
	Frames []Frame
}

// Progress says how many bytes of a turn's output streams have become rows.
type Progress struct{ Stdout, Stderr int64 }

// AppendRows adds rows to the session's log, numbered on from its last row, and
// moves the turn's offsets on with them. A session that is gone takes no rows:
// the answer is then a NotFound error.
func (s *Store) AppendRows(ctx context.Context, session string, turn int, moved Progress, rows ...Row) (Span, error) {
	var span Span
	err := s.write(ctx, func(tx *gorm.DB, _ Micros) (err error) {
		if moved != (Progress{}) {
			err = tx.Exec("UPDATE turns SET stdout_offset = stdout_offset + ?, stderr_offset = stderr_offset + ? WHERE session_id = ? AND number = ?",
				moved.Stdout, moved.Stderr, session, turn).Error
			if err != nil {
				return fmt.Errorf("move offsets: %w", err)
			}
		}
		span, err = appendRows(tx, session, rows)
		return err
	})
	return s.stored(span, err)
}

// sequence is what a row needs to know of its session.
type sequence struct {
	Seq     int64
	LastRow int64
}

func appendRows(tx *gorm.DB, session string, rows []Row) (Span, error) {
	var found []sequence
	err := tx.Raw("UPDATE sessions SET last_row = last_row + ? WHERE id = ? RETURNING seq, last_row", len(rows), session).Scan(&found).Error
	if err != nil {
		return Span{}, fmt.Errorf("number rows: %w", err)
	}
	if len(found) == 0 {
		return Span{}, errNoSession
	}
	span := Span{After: found[0].LastRow - int64(len(rows)), Frames: make([]Frame, len(rows))}
	if len(rows) == 0 {
		return span, nil
	}
	values := make([]any, 0, 4*len(rows))
	for i, row := range rows {
		id := span.After + int64(i) + 1
		span.Frames[i] = Frame{ID: id, Turn: row.Turn, Data: row.render(id)}
		values = append(values, found[0].Seq, id, row.Turn, span.Frames[i].Data)
	}
	places := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", len(rows)), ", ")
	if err := tx.Exec("INSERT INTO rows (session, id, turn, frame) VALUES "+places, values...).Error; err != nil {
		return Span{}, fmt.Errorf("insert rows: %w", err)
	}
	return span, nil
}

// FramesAfter returns up to limit rows of the session that come after the row
// with that id, in order.
func (s *Store) FramesAfter(ctx context.Context, session string, after int64, limit int) ([]Frame, error) {
	rows, err := s.query(ctx, `SELECT id, turn, frame FROM rows
		WHERE session = (SELECT seq FROM sessions WHERE id = ?) AND id > ? ORDER BY id LIMIT ?`, session, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	frames, err := collect(rows, 0, func(f *Frame) []any { return []any{&f.ID, &f.Turn, &f.Data} })
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return frames, nil
}
