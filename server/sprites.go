package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/agent-on-demand/aod/sprite/turn"
	"github.com/agent-on-demand/aod/store"
)

// Sprite is a machine of a session, or of one that is no more.
type Sprite struct {
	Name    string
	Session string // its id
	Status  string // in the words of the Sprites service
	Created time.Time
	Size    int64 // bytes of this machine's disk as of the last look; -1 where Sprites run elsewhere
}

// Sprites returns all Sprites of a deployment, that of the data directory if none is
// named. A server may be running.
func Sprites(ctx context.Context, c Config, deployment string) (all []Sprite, err error) {
	err = withSprites(ctx, c, deployment, func(b *backend, prefix string) error {
		found, err := b.client.Look(ctx, prefix)
		if err != nil {
			return err
		}
		var sizes map[string]int64
		if b.sizes != nil {
			if sizes, err = b.sizes(); err != nil {
				return err
			}
		}
		for _, s := range found {
			size := int64(-1)
			if n, known := sizes[s.Name]; known {
				size = n
			}
			all = append(all, Sprite{Name: s.Name, Session: strings.TrimPrefix(s.Name, prefix), Status: s.Status, Created: s.Created, Size: size})
		}
		return nil
	})
	return all, err
}

// DestroySprite ends all that runs in a Sprite of a deployment, that of the data directory
// if none is named, and removes it. It is named by its own name or by its session's id.
func DestroySprite(ctx context.Context, c Config, deployment, name string) error {
	return withSprites(ctx, c, deployment, func(b *backend, prefix string) error {
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

// ServeSprites lets any Sprites client in on the local Sprites of the data directory,
// at c.Addr, until ctx ends. A server may be running. Without a c.HostToken one is made
// and told; then the address must be of this machine alone.
func ServeSprites(ctx context.Context, c Config) error {
	if err := c.complete(); err != nil {
		return err
	}
	token := c.HostToken
	given := token.Reveal() != ""
	if !given && !loopback(c.Addr) {
		return fmt.Errorf("%s can be reached from other machines: set AOD_SPRITES_TOKEN to a token that only their users know, or choose a loopback address with --addr", c.Addr)
	}
	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listen (choose another address with --addr): %w", err)
	}
	ready := Ready{URL: "http://" + listener.Addr().String()}
	if !given {
		token = store.NewSecret(rand.Text())
		ready.Token = token
	}
	return serveHost(ctx, c, token.Reveal(), listener, func() {
		if c.Ready != nil {
			c.Ready(ready)
		}
	})
}

// loopback says whether an address to listen on can be reached from this machine only.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// withSprites opens the Sprites of a configuration and tells how the names of the
// deployment's begin.
func withSprites(ctx context.Context, c Config, deployment string, do func(b *backend, prefix string) error) error {
	if err := c.complete(); err != nil {
		return err
	}
	if deployment == "" {
		err := withStore(ctx, c, func(st *store.Store) error { deployment = st.Deployment(); return nil })
		if err != nil {
			return err
		}
	}
	prefix := turn.SpritePrefix(deployment)
	b, err := openSprites(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(do(b, prefix), b.close())
}
