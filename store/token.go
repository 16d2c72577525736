package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// Token lets its bearer act as its user. Only the hash of the token itself is kept.
type Token struct {
	Seq        int64
	ID         string
	UserID     string
	User       string `gorm:"->;-:migration"` // the user's name, in lists
	Name       string
	Hash       string
	Prefix     string // the first characters, to tell tokens apart
	Active     bool
	CreatedAt  Micros `gorm:"autoCreateTime:false"`
	ExpiresAt  *Micros
	LastUsedAt *Micros
}

const (
	tokenPrefix   = "aod_"
	tokenBytes    = 32
	displayLength = 12
)

// ErrTokenTaken says that this very token exists already, for another user.
var ErrTokenTaken = errors.New("this token already belongs to another user")

// CreateToken makes a token for the user of that name, who is made too if need
// be, and returns it: the one time that it can be seen. It does not expire if
// expires is zero.
func (s *Store) CreateToken(ctx context.Context, user, name string, expires time.Duration) (Secret, *Token, error) {
	raw := make([]byte, tokenBytes)
	rand.Read(raw)
	secret := NewSecret(tokenPrefix + base64.RawURLEncoding.EncodeToString(raw))
	token, err := s.addToken(ctx, user, name, secret, expires)
	return secret, token, err
}

// EnsureToken makes sure that this very token exists for the user of that name.
func (s *Store) EnsureToken(ctx context.Context, user, name string, secret Secret) error {
	_, err := s.addToken(ctx, user, name, secret, 0)
	return err
}

func (s *Store) addToken(ctx context.Context, user, name string, secret Secret, expires time.Duration) (token *Token, err error) {
	err = s.write(ctx, func(tx *gorm.DB, now Micros) error {
		owner, err := s.ensureUser(tx, user, now)
		if err != nil {
			return err
		}
		row := Token{
			ID: s.newID(), UserID: owner.ID, Name: name, Hash: hash(secret),
			Prefix: secret.Reveal()[:min(displayLength, len(secret.Reveal()))], Active: true, CreatedAt: now,
		}
		if expires != 0 {
			at := micros(now.Time().Add(expires))
			row.ExpiresAt = &at
		}
		err = tx.Exec("INSERT INTO tokens (id, user_id, name, hash, prefix, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING",
			row.ID, row.UserID, row.Name, row.Hash, row.Prefix, row.CreatedAt, row.ExpiresAt).Error
		if err != nil {
			return err
		}
		token, err = first[Token](tx.Where("hash = ?", row.Hash), NotFound("Token not found"))
		if err == nil && token.UserID != owner.ID {
			return ErrTokenTaken
		}
		return err
	})
	return token, err
}

// Authenticate returns the token that the text is, with what says whose it is and
// when it was used, if it may be used now.
func (s *Store) Authenticate(ctx context.Context, text string) (*Token, error) {
	rows, err := s.query(ctx, "SELECT id, user_id, active, expires_at, last_used_at FROM tokens WHERE hash = ?", hash(NewSecret(text)))
	if err != nil {
		return nil, fmt.Errorf("look a token up: %w", err)
	}
	found, err := collect(rows, 1, func(t *Token) []any { return []any{&t.ID, &t.UserID, &t.Active, &t.ExpiresAt, &t.LastUsedAt} })
	if err != nil {
		return nil, fmt.Errorf("look a token up: %w", err)
	}
	if len(found) == 0 {
		return nil, Unauthorized("Invalid API key")
	}
	switch token := &found[0]; {
	case !token.Active:
		return nil, Unauthorized("API key is inactive")
	case token.ExpiresAt != nil && *token.ExpiresAt <= micros(s.now()):
		return nil, Unauthorized("API key has expired")
	default:
		return token, nil
	}
}

// usedEvery is how exact LastUsedAt is: it costs a write.
const usedEvery = Micros(time.Minute / time.Microsecond)

// Used notes that the token has been used just now, to the minute.
func (s *Store) Used(ctx context.Context, token *Token) error {
	if token.LastUsedAt != nil && micros(s.now()) < *token.LastUsedAt+usedEvery {
		return nil
	}
	return s.write(ctx, func(tx *gorm.DB, now Micros) error {
		return tx.Exec("UPDATE tokens SET last_used_at = ? WHERE id = ? AND coalesce(last_used_at, 0) <= ?", now, token.ID, now-usedEvery).Error
	})
}

// Tokens returns all tokens, oldest first.
func (s *Store) Tokens(ctx context.Context) ([]Token, error) {
	var tokens []Token
	err := s.read(ctx).Select("tokens.*, users.name AS user").Joins("JOIN users ON users.id = tokens.user_id").Order("tokens.seq").Find(&tokens).Error
	return tokens, err
}

// RevokeToken makes the token useless. It is named by its id or by its prefix.
func (s *Store) RevokeToken(ctx context.Context, name string) error {
	return s.write(ctx, func(tx *gorm.DB, _ Micros) error {
		var ids []string
		if err := tx.Model(&Token{}).Where("id = ? OR prefix = ?", name, name).Pluck("id", &ids).Error; err != nil {
			return err
		}
		switch len(ids) {
		case 0:
			return NotFound("there is no token " + name + "; see: aod token list")
		case 1:
			return tx.Exec("UPDATE tokens SET active = 0 WHERE id = ?", ids[0]).Error
		}
		return Conflict("%d tokens begin with %s: name one by its id", len(ids), name)
	})
}

func hash(secret Secret) string {
	sum := sha256.Sum256([]byte(secret.Reveal()))
	return hex.EncodeToString(sum[:])
}
