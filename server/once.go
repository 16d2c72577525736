package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/agent-on-demand/aod/store"
)

const (
	headerKey      = "Idempotency-Key"
	headerReplayed = "Idempotency-Replayed"
	maxKey         = 255
)

var errKey = &invalid{[]problem{{
	Type: "value_error", Loc: []any{headerKey}, Msg: "Value error, Idempotency-Key must be 1 to 255 visible ASCII characters", Input: hidden,
}}}

// once answers a request that bears an Idempotency-Key as the first one with that
// key was answered. What a request makes is stored together with its answer, by
// the receipt that its handler hands on; a refusal is stored here.
func (s *Server) once(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		keys := c.Request().Header.Values(headerKey)
		if len(keys) == 0 || !s.validator.operation(c).keyed {
			return next(c)
		}
		if len(keys) > 1 || len(keys[0]) > maxKey || !visible(keys[0]) {
			return errKey
		}
		text, err := read(c)
		if err != nil {
			return err
		}
		c.Request().Body = io.NopCloser(bytes.NewReader(text))
		ctx := c.Request().Context()
		request := store.Keyed{User: user(ctx), Path: c.Request().URL.Path, Key: keys[0], Request: sha256.Sum256(text)}
		leave, err := s.turnstile.enter(ctx, request)
		if err != nil {
			return err
		}
		defer leave()
		given, err := s.store.Answered(ctx, request)
		if err != nil {
			return err
		}
		if given != nil {
			c.Response().Header().Set(headerReplayed, "true")
			return c.Blob(given.Status, echo.MIMEApplicationJSON, given.Body)
		}
		c.SetRequest(c.Request().WithContext(context.WithValue(ctx, keyedKey{}, request)))
		return s.keepRefusal(ctx, request, next(c))
	}
}

// keepRefusal stores the answer to a request that is refused for what it asks.
// One that is refused for the moment may be done when it is sent again.
func (s *Server) keepRefusal(ctx context.Context, request store.Keyed, refusal error) error {
	if refusal == nil {
		return nil
	}
	status, body, known := answer(refusal)
	if !known || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError {
		return refusal
	}
	text, err := encode(body)
	if err != nil {
		return err
	}
	if err := s.store.KeepAnswer(ctx, request, store.Answer{Status: status, Body: text}); err != nil {
		return err
	}
	return refusal
}

type keyedKey struct{}

// receipt is what the store keeps of the answer to a request that bears a key;
// nil if the request bears none.
func receipt[T, B any](ctx context.Context, status int, body func(made T) B) *store.Receipt[T] {
	request, keyed := ctx.Value(keyedKey{}).(store.Keyed)
	if !keyed {
		return nil
	}
	return &store.Receipt[T]{Keyed: request, Answer: func(made T) (store.Answer, error) {
		text, err := encode(body(made))
		return store.Answer{Status: status, Body: text}, err
	}}
}

// encode writes a body as every answer is written.
func encode(body any) ([]byte, error) {
	var text bytes.Buffer
	err := json.NewEncoder(&text).Encode(body)
	return text.Bytes(), err
}

// turnstile lets requests with the same key through one after the other.
type turnstile struct {
	mu     sync.Mutex
	inside map[gate]chan struct{} // closed when the one inside leaves
}

type gate struct{ user, path, key string }

// enter waits until nobody with the same key is inside, or for the end of ctx.
func (t *turnstile) enter(ctx context.Context, request store.Keyed) (leave func(), err error) {
	at := gate{request.User, request.Path, request.Key}
	for {
		t.mu.Lock()
		left, taken := t.inside[at]
		if !taken {
			left = make(chan struct{})
			t.inside[at] = left
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.inside, at)
				t.mu.Unlock()
				close(left)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-left:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
