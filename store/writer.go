package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"gorm.io/gorm"
)

const batchSize = 256

var errClosed = errors.New("the store is closed")

// writer is the only one that writes. It commits together what has gathered
// while the last commit was under way, so one fsync serves many callers and
// nobody waits for a timer.
type writer struct {
	db        *gorm.DB
	queue     chan *write
	committed func(callers int, took time.Duration) // nil if nobody wants to know
	once      sync.Once
	stop      chan struct{} // closed by close
	done      chan struct{} // closed when run has returned
}

type write struct {
	ctx  context.Context
	do   func(tx *gorm.DB) error
	err  error
	done chan struct{}
}

func newWriter(db *gorm.DB, committed func(callers int, took time.Duration)) *writer {
	w := &writer{db: db, queue: make(chan *write, batchSize), committed: committed, stop: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w
}

// submit runs do in a transaction, exactly once, and returns after the commit.
// An error of do undoes what do did and nothing else.
func (w *writer) submit(ctx context.Context, do func(tx *gorm.DB) error) error {
	job := &write{ctx: ctx, do: do, done: make(chan struct{})}
	select {
	case <-w.stop:
		return errClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	case w.queue <- job:
	}
	select {
	case <-job.done:
		return job.err
	case <-w.done: // closed with the job still in the queue
		select {
		case <-job.done:
			return job.err
		default:
			return errClosed
		}
	}
}

func (w *writer) close() {
	w.once.Do(func() { close(w.stop) })
	<-w.done
}

func (w *writer) run() {
	defer close(w.done)
	batch := make([]*write, 0, batchSize)
	for {
		select {
		case <-w.stop:
			return
		case job := <-w.queue:
			batch = append(batch[:0], job)
		}
		for len(batch) < batchSize {
			select {
			case job := <-w.queue:
				batch = append(batch, job)
				continue
			default:
			}
			break
		}
		w.commit(batch)
		clear(batch)
	}
}

func (w *writer) commit(batch []*write) {
	began := time.Now()
	err := w.transaction(func() error {
		for _, job := range batch {
			var broken error
			if job.err, broken = w.try(job); broken != nil {
				return broken // nothing of the batch must be taken for stored
			}
		}
		return nil
	})
	took := time.Since(began)
	for _, job := range batch {
		if job.err == nil {
			job.err = err
		}
		close(job.done)
	}
	if err == nil && w.committed != nil {
		w.committed(len(batch), took)
	}
}

// transaction begins one by a statement. In one of database/sql, each statement that
// was prepared in an earlier one would be prepared anew; the writer has but one
// connection, and nobody else uses it.
func (w *writer) transaction(do func() error) error {
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err := do()
	if err == nil {
		if err = w.exec("COMMIT"); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	_ = w.exec("ROLLBACK") // SQLite may have done so by itself
	return err
}

func (w *writer) exec(statement string) error {
	_, err := w.db.ConnPool.ExecContext(context.Background(), statement)
	return err
}

// try runs one job inside a savepoint of its own. broken means that the savepoint
// is gone, and with it the transaction: SQLite ends one by itself when its disk is
// full.
func (w *writer) try(job *write) (failed, broken error) {
	if job.ctx.Err() != nil {
		return context.Cause(job.ctx), nil
	}
	if err := w.exec("SAVEPOINT job"); err != nil {
		return nil, fmt.Errorf("open savepoint: %w", err)
	}
	if failed = guarded(job.do, w.db); failed != nil {
		if err := w.exec("ROLLBACK TO job"); err != nil {
			return failed, fmt.Errorf("the transaction has ended: %w", errors.Join(failed, err))
		}
	}
	if err := w.exec("RELEASE job"); err != nil {
		return failed, fmt.Errorf("the transaction has ended: %w", err)
	}
	return failed, nil
}

// guarded turns a panic into the error of the one caller whose code panicked.
func guarded(do func(*gorm.DB) error, tx *gorm.DB) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
		}
	}()
	return do(tx)
}
