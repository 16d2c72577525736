package store

import "fmt"

// Kind says which sort of refusal an Error is; the HTTP edge turns it into a status.
type Kind int

// The kinds of refusal.
const (
	KindBadRequest Kind = iota + 1
	KindUnauthorized
	KindNotFound
	KindConflict
	KindInvalid // well-formed, but its parts do not fit together
	KindQuota
	KindUnavailable // what the request needs cannot be had at the moment
)

// Error is a refusal whose text is meant for the client, word for word.
type Error struct {
	Kind Kind
	Text string
	// Limit and Active are set for KindQuota: how many sessions the user may have
	// active at once, and how many are.
	Limit, Active int
}

// Error returns the client's text.
func (e *Error) Error() string { return e.Text }

// BadRequest refuses a request that cannot be understood.
func BadRequest(format string, args ...any) *Error { return refuse(KindBadRequest, format, args) }

// Unauthorized refuses a credential.
func Unauthorized(text string) *Error { return &Error{Kind: KindUnauthorized, Text: text} }

// NotFound says that the user has no such row.
func NotFound(text string) *Error { return &Error{Kind: KindNotFound, Text: text} }

// Conflict refuses what the present state does not allow.
func Conflict(format string, args ...any) *Error { return refuse(KindConflict, format, args) }

// Invalid refuses values that are well-formed but do not fit together.
func Invalid(format string, args ...any) *Error { return refuse(KindInvalid, format, args) }

// Unavailable refuses what cannot be done at the moment.
func Unavailable(format string, args ...any) *Error { return refuse(KindUnavailable, format, args) }

func refuse(kind Kind, format string, args []any) *Error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

func overQuota(active, limit int) *Error {
	return &Error{
		Kind: KindQuota,
		Text: fmt.Sprintf("Concurrent session limit reached (%d/%d). Terminate an active session before starting a new one.", active, limit),

		Limit:  limit,
		Active: active,
	}
}
