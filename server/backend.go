package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	goruntime "runtime"

	"github.com/agent-on-demand/aod/sprite"
	"github.com/agent-on-demand/aod/sprite/local"
	"github.com/agent-on-demand/aod/sprite/runtimes"
	"github.com/agent-on-demand/aod/sprite/turn"
)

// backend is the Sprites service in use.
type backend struct {
	client    *sprite.Client
	cache     turn.Cache // nil where there is none
	install   func(context.Context, runtimes.Package, func(string)) error
	preflight *preflight                       // nil if it is not on this machine
	network   string                           // how far programs get in the network of a Sprite on this machine
	limits    string                           // how Sprites on this machine are limited
	sizes     func() (map[string]int64, error) // of Sprites on this machine, by name
	states    func() (map[string]int, error)   // how many Sprites on this machine have which status
	close     func() error
}

func openSprites(ctx context.Context, c Config) (*backend, error) {
	if token := c.SpritesToken.Reveal(); token != "" {
		client := sprite.New(sprite.Config{Token: token, BaseURL: c.SpritesURL})
		return &backend{client: client, close: func() error { client.Close(); return nil }}, nil
	}
	packages, err := local.OpenPackages(c.RuntimesDir)
	if err != nil {
		return nil, err
	}
	token := rand.Text()
	host, err := openHost(ctx, c, token)
	if err != nil {
		return nil, err
	}
	client := sprite.New(sprite.Config{Token: token, Dial: host.DialContext, Home: host.Home})
	pre := &preflight{log: c.Log, attempt: func(ctx context.Context, ran func()) error { return client.TryOut(ctx, "preflight-server", ran) }}
	b := &backend{
		client:    client,
		preflight: pre,
		network:   host.Network(),
		limits:    host.Limits(),
		sizes:     host.Sizes,
		states:    host.States,
		install: func(ctx context.Context, p runtimes.Package, say func(string)) error {
			return packages.Install(ctx, p.Name, p.Version, p.Binary, p.Programs(goruntime.GOARCH), say)
		},
		close: func() error {
			client.Close()
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
			defer cancel()
			return host.Close(closing)
		},
	}
	if !c.NoCache {
		b.cache = cache{host}
	}
	return b, nil
}

// cache keeps environments on this machine. The Sprites service has nothing like it: its checkpoints are of one Sprite, and no other can
// be made from them.
type cache struct{ *local.Host }

func (c cache) CreateFrom(ctx context.Context, name string, of turn.Snapshot, labels ...string) (bool, error) {
	return c.Host.CreateFrom(ctx, name, local.Snapshot(of), labels...)
}

func (c cache) Keep(ctx context.Context, name string, of turn.Snapshot, except ...string) error {
	return c.Host.Keep(ctx, name, local.Snapshot(of), except...)
}

// openHost opens the Sprites of this machine. The runtimes' folder must exist.
func openHost(ctx context.Context, c Config, token string) (*local.Host, error) {
	host, err := local.Open(ctx, local.Options{
		Dir: filepath.Join(c.DataDir, "sprites"), Executable: c.Executable, Token: token, Isolation: local.Isolation(c.Isolation),
		Shares: []local.Share{{Source: c.RuntimesDir, Target: "/opt/aod"}}, AllowHosts: c.AllowHosts, Log: c.Log,
		Processes: c.Processes, Memory: c.Memory, CPUs: c.CPUs, Disk: c.Disk, AllDisk: c.AllDisk,
	})
	if err != nil {
		return nil, fmt.Errorf("open the local Sprites host: %w", err)
	}
	return host, nil
}

// serveHost answers Sprites clients at a listener until ctx ends. Sprites stay.
func serveHost(ctx context.Context, c Config, token string, listener net.Listener, ready func()) error {
	if _, err := local.OpenPackages(c.RuntimesDir); err != nil {
		return errors.Join(err, listener.Close())
	}
	host, err := openHost(ctx, c, token)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	ready()
	err = host.Serve(ctx, listener)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return errors.Join(err, host.Close(closing))
}

// CheckHosts says what is wrong with the first of AllowHosts that is no host.
func CheckHosts(hosts []string) error { return local.CheckHosts(hosts) }

// room says how much of the disk is left, for Sprites where they are on this machine.
func (c Config) room() (text string, tight bool, err error) {
	limit := c.Disk
	if c.SpritesToken.Reveal() != "" {
		limit = 0
	}
	return local.Room(c.DataDir, limit)
}
