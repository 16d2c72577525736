package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/agent-on-demand/aod/server/hub"
	"github.com/agent-on-demand/aod/server/metrics"
	"github.com/agent-on-demand/aod/sprite/turn"
	"github.com/agent-on-demand/aod/store"
)

// Config says how a server runs. Addr, DataDir, MaxSessions and Log have to be set.
type Config struct {
	Addr      string // to listen on
	AdminAddr string // for whoever operates the server to look at it, without a token; nowhere if it is empty
	DataDir   string // for everything the server keeps
	PublicURL string // of the server, as its document names it

	Token          store.Secret // of user admin, made if it does not exist
	EncryptionKeys store.Secret // base64, separated by commas; a key file in DataDir if empty
	MaxSessions    int          // a user may have active at once

	SpritesToken store.Secret // the real Sprites service is used if it is set
	SpritesURL   string
	HostToken    store.Secret // of ServeSprites' clients, made if it is empty
	Isolation    string       // of local Sprites: namespaces, which it is if empty, or none
	RuntimesDir  string       // where local Sprites find the programs of runtimes; in DataDir if empty
	Processes    int          // the commands of a local Sprite may have at once; 4096 if it is 0
	Memory       int64        // bytes that a local Sprite may use; half of the machine's if it is 0
	CPUs         float64      // whose time a local Sprite may use; all if it is 0
	Disk         int64        // bytes of the disk that a local Sprite may use; 20 GiB if it is 0
	AllDisk      int64        // bytes that all local Sprites may use together; no limit if it is 0
	NoCache      bool         // of what environments leave in local Sprites
	AllowHosts   []string     // private ones that local Sprites may reach
	Executable   string       // that local Sprites are started with; this program if empty

	SpriteIdle time.Duration // a completed session keeps its Sprite; for ever if it is 0
	SweepEvery time.Duration // the Sprites that nobody needs are looked for; 10 minutes if it is 0

	RowRetention time.Duration // rows are kept when their session has ended; for ever if it is 0

	Keys        map[string]store.Secret // the operator's provider keys, by variable
	Versions    map[string]string       // of runtimes, by name, in place of those that were tried
	CORSOrigins []string
	Version     string
	Log         *slog.Logger

	// Ready, if not nil, is called once when requests are answered.
	Ready func(Ready)
}

// Ready tells how to reach a server that has started.
type Ready struct {
	URL   string
	Admin string       // URL of the admin listener; empty if there is none
	Token store.Secret // made just now, since there was none; empty otherwise
}

const (
	adminUser       = "admin"
	shutdownTimeout = 10 * time.Second
)

// Run serves until ctx ends. Then it stops accepting, ends the streams (clients
// come back), lets go of the Sprites, which stay, and closes the store.
func Run(ctx context.Context, c Config) (err error) {
	if err := c.complete(); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(c.DataDir, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	c.Log = slog.New(contextual{c.Log.Handler()})
	counts := metrics.New(c.Version)
	ops, err := openAdmin(c.AdminAddr, counts, c.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ops.close()) }() // last, so that the end can be watched
	tracer, endTraces, err := openTraces(ctx, c)
	if err != nil {
		return err
	}
	defer endTraces()
	st, err := openStore(ctx, c, counts.Committed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()

	backend, err := openSprites(ctx, c)
	if err != nil {
		return err
	}
	if c.Unconfined() {
		c.Log.Warn("isolation is none: " + unconfined)
	}
	defer func() { err = errors.Join(err, backend.close()) }()
	if backend.preflight != nil {
		c.Log.Info("sprites run on this machine", "network", backend.network, "limits", backend.limits)
	}
	defer backend.preflight.begin(ctx)() // beside all that follows

	readers := hub.New(st)
	counts.Watch(st, readers, backend.states)
	options := turn.Options{
		Store: st, Sprites: backend.client, Readers: readers, Log: c.Log, Keys: c.Keys, Cache: backend.cache, Install: backend.install, Versions: c.Versions, Available: backend.preflight.check,
		Sweep: turn.Sweep{Every: c.SweepEvery, Idle: c.SpriteIdle, Rows: c.RowRetention}, Observer: counts,
	}
	if tracer != nil {
		options.Tracer = tracer
	}
	turns := turn.New(options)
	defer turns.Close()
	s, err := newServer(parts{store: st, turns: turns, hub: readers, metrics: counts, tracer: tracer, runnable: backend.preflight.known}, c)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listen (choose another address with --addr or AOD_ADDR): %w", err)
	}
	if err := turns.Start(ctx); err != nil {
		return errors.Join(err, listener.Close())
	}
	token, err := firstToken(ctx, st, c.Token) // last: it is shown only once
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return s.serve(ctx, listener, func() {
		ops.serve(s)
		if c.Ready != nil {
			c.Ready(Ready{URL: "http://" + listener.Addr().String(), Admin: ops.url(), Token: token})
		}
	})
}

// complete fills in what follows from the rest, and makes the data directory.
func (c *Config) complete() (err error) {
	if c.RuntimesDir == "" {
		c.RuntimesDir = filepath.Join(c.DataDir, "runtimes")
	}
	for _, dir := range []*string{&c.DataDir, &c.RuntimesDir} {
		if *dir, err = filepath.Abs(*dir); err != nil {
			return fmt.Errorf("find the data directory: %w", err)
		}
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return nil
}

// serve answers requests until ctx ends.
func (s *Server) serve(ctx context.Context, listener net.Listener, ready func()) error {
	// No timeouts for whole requests: a stream goes on for as long as its session.
	// It sets a deadline for each write, and the validator one for the body.
	h := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,

		DisableGeneralOptionsHandler: true, // OPTIONS * is answered like any other path
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(listener) }()
	ready()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.log.Info("stopping: not ready any more, streams end, turns go on")
	s.stop()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := h.Shutdown(closing); err != nil {
		return errors.Join(fmt.Errorf("shut down: %w", err), h.Close())
	}
	return nil
}

// OpenStore opens the database in the data directory. It may be open elsewhere.
func OpenStore(ctx context.Context, c Config) (*store.Store, error) { return openStore(ctx, c, nil) }

// openStore opens it and tells of each commit.
func openStore(ctx context.Context, c Config, committed func(callers int, took time.Duration)) (*store.Store, error) {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	if err := c.refuseHalfRestored(); err != nil {
		return nil, err
	}
	keys, err := c.keyring(c.DataDir)
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Options{Path: filepath.Join(c.DataDir, databaseName), Keys: keys, MaxSessions: c.MaxSessions, Committed: committed})
}

// keyring returns the keys of the configuration, or those in a folder's key file.
func (c Config) keyring(dir string) (*store.Keyring, error) {
	if text := c.EncryptionKeys.Reveal(); text != "" {
		return store.ParseKeys(text)
	}
	return store.KeyFile(filepath.Join(dir, keyName))
}

// firstToken makes the configured token exist, or makes one if there is none at
// all. Only the latter is returned.
func firstToken(ctx context.Context, st *store.Store, configured store.Secret) (store.Secret, error) {
	if configured.Reveal() != "" {
		return store.Secret{}, st.EnsureToken(ctx, adminUser, "bootstrap", configured)
	}
	tokens, err := st.Tokens(ctx)
	if err != nil || len(tokens) > 0 {
		return store.Secret{}, err
	}
	token, _, err := st.CreateToken(ctx, adminUser, "first", 0)
	return token, err
}
