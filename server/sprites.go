package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/agent-on-demand/aod/sprite/turn"
)

// Sprite is a machine of a session, or of one that is no more.
type Sprite struct {
	Name    string
	Session string // its id
	Status  string // in the words of the Sprites service
	Created time.Time
}

// Sprites returns all Sprites of the deployment. A server may be running.
func Sprites(ctx context.Context, c Config) (all []Sprite, err error) {
	err = withSprites(ctx, c, func(b *backend, prefix string) error {
		found, err := b.client.List(ctx, prefix)
		for _, s := range found {
			all = append(all, Sprite{Name: s.Name, Session: strings.TrimPrefix(s.Name, prefix), Status: s.Status, Created: s.Created})
		}
		return err
	})
	return all, err
}

// DestroySprite ends all that runs in a Sprite of the deployment and removes it. It is
// named by its own name or by its session's id.
func DestroySprite(ctx context.Context, c Config, name string) error {
	return withSprites(ctx, c, func(b *backend, prefix string) error {
		full := prefix + strings.TrimPrefix(name, prefix)
		exists, err := b.client.Exists(ctx, full)
		if err != nil {
			return err
		}
		if !exists {
			return fmt.Errorf("there is no sprite %s; see: aod sprites list", name)
		}
		return b.client.Destroy(ctx, full)
	})
}

// withSprites opens the Sprites of a configuration and tells how the names of this
// deployment's begin.
func withSprites(ctx context.Context, c Config, do func(b *backend, prefix string) error) error {
	if err := c.complete(); err != nil {
		return err
	}
	st, err := OpenStore(ctx, c)
	if err != nil {
		return err
	}
	prefix := turn.SpritePrefix(st.Deployment())
	if err := st.Close(); err != nil {
		return err
	}
	b, err := openSprites(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(do(b, prefix), b.close())
}
