package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// receiptLife is how long the answer to a request with a key is given again.
const receiptLife = 24 * time.Hour

// Keyed identifies a request that shall be done once, however often it is sent:
// by who sends it where, and by the key that the sender chose for it.
type Keyed struct {
	User, Path, Key string
	Request         [sha256.Size]byte // of its body
}

func (k Keyed) purpose() string { return "answer " + k.User + " " + k.Path + " " + k.Key }

// Answer is what a request was answered with.
type Answer struct {
	Status int
	Body   []byte
}

// Receipt is the answer to a keyed request that makes a T. It is stored in the
// transaction that makes it: there is never one without the other.
type Receipt[T any] struct {
	Keyed  Keyed
	Answer func(made T) (Answer, error)
}

var errKeyReused = Conflict("Idempotency-Key was already used with a different request")

// receipt is an answer as it is stored.
type receipt struct {
	UserID    string
	Path      string
	Key       string
	Status    int
	Sealed    []byte // Request and Body: both may tell of secrets
	CreatedAt Micros `gorm:"autoCreateTime:false"`
}

// Answered returns the answer that a keyed request was given in the last 24
// hours, nil if there was none, or a refusal if the key was for another body.
func (s *Store) Answered(ctx context.Context, request Keyed) (*Answer, error) {
	var rows []receipt
	err := s.read(ctx).Where("user_id = ? AND path = ? AND key = ? AND created_at > ?",
		request.User, request.Path, request.Key, receiptsSince(micros(s.now()))).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	kept, err := s.keys.open(rows[0].Sealed, request.purpose())
	if err != nil {
		return nil, fmt.Errorf("open kept answer: %w", err)
	}
	body, same := bytes.CutPrefix(kept, request.Request[:])
	if !same {
		return nil, errKeyReused
	}
	return &Answer{Status: rows[0].Status, Body: body}, nil
}

// KeepAnswer stores the answer to a keyed request that made nothing.
func (s *Store) KeepAnswer(ctx context.Context, request Keyed, answer Answer) error {
	return s.write(ctx, func(tx *gorm.DB, now Micros) error { return s.keepAnswer(tx, request, answer, now) })
}

// keepReceipt stores the answer about what has just been made; without a receipt
// there is nothing to store.
func keepReceipt[T any](tx *gorm.DB, s *Store, r *Receipt[T], made T, now Micros) error {
	if r == nil {
		return nil
	}
	answer, err := r.Answer(made)
	if err != nil {
		return fmt.Errorf("make answer: %w", err)
	}
	return s.keepAnswer(tx, r.Keyed, answer, now)
}

// keepAnswer also forgets the answers that have become too old.
func (s *Store) keepAnswer(tx *gorm.DB, request Keyed, answer Answer, now Micros) error {
	err := errors.Join(
		tx.Exec("DELETE FROM receipts WHERE created_at <= ?", receiptsSince(now)).Error,
		tx.Create(&receipt{
			UserID: request.User, Path: request.Path, Key: request.Key, Status: answer.Status,
			Sealed: s.keys.seal(append(request.Request[:], answer.Body...), request.purpose()), CreatedAt: now,
		}).Error)
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}

func receiptsSince(now Micros) Micros { return now - Micros(receiptLife.Microseconds()) }
