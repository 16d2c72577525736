// Package sprite is the runner's face of the Sprites service: the few calls that
// it makes, with the pitfalls of the SDK behind them closed. The service may be
// the real one or the local host; nothing here knows which.
package sprite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	sprites "github.com/superfly/sprites-go"
)

func init() {
	// The SDK asks for a buffer of 1 MiB per connection; only those that are
	// writing need one.
	websocket.DefaultDialer.WriteBufferPool = new(sync.Pool)
}

// callTimeout bounds every call but Exec. A new Sprite may take that long.
const callTimeout = 2 * time.Minute

// Config says which Sprites service to use.
type Config struct {
	Token   string
	BaseURL string // a bare origin; the public service if empty and Dial is nil
	Dial    Dial   // reaches a service that has no address; BaseURL is not used then

	// Home, if not nil, knows a Sprite's home folder, which is asked of the Sprite
	// otherwise.
	Home func(name string) string
}

// Client talks to one Sprites service.
type Client struct {
	api    *sprites.Client
	http   *http.Client // the SDK's, for what it does not do well enough
	origin string
	token  string
	home   func(name string) string
	homes  sync.Map // home folders that Sprites have told, by name
	close  func()
}

// New returns a client. Close it.
func New(c Config) *Client {
	origin, forget := c.BaseURL, func() {}
	if c.Dial != nil {
		origin, forget = route(c.Dial)
	}
	if origin == "" {
		origin = publicOrigin
	}
	caller := &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		ResponseHeaderTimeout: answerTimeout,
	}}
	api := sprites.New(c.Token,
		sprites.WithDisableControl(),
		sprites.WithHTTPClient(caller),
		sprites.WithNetDialContext(dial),
		sprites.WithBaseURL(origin),
	)
	// Not before: to dial with dial, the SDK puts a transport of its own in the place
	// of any that is not of net/http.
	caller.Transport = insistent(caller.Transport)
	return &Client{api: api, http: caller, origin: strings.TrimRight(origin, "/"), token: c.Token, home: c.Home, close: forget}
}

// Close releases the client; its Sprites stay.
func (c *Client) Close() { c.close() }

// Create makes a Sprite with that name. One that exists already is an error.
func (c *Client) Create(ctx context.Context, name string, labels ...string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := c.api.CreateSpriteWithOrg(ctx, name, nil, nil, labels)
	return err
}

// Exists reports whether there is a Sprite of that name.
func (c *Client) Exists(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := c.api.GetSprite(ctx, name)
	if err != nil && strings.HasPrefix(err.Error(), "sprite not found") { // the SDK has no type for it
		return false, nil
	}
	return err == nil, err
}

// WriteFile writes a file in a Sprite, with its folders.
func (c *Client) WriteFile(ctx context.Context, name, path string, data []byte, perm fs.FileMode) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	files, ok := c.api.Sprite(name).Filesystem().(interface {
		WriteFileContext(context.Context, string, []byte, fs.FileMode) error
	})
	if !ok {
		return errors.New("the Sprites SDK cannot write files with a context")
	}
	return files.WriteFileContext(ctx, path, data, perm.Perm())
}

// Allow lets a Sprite reach the named hosts and nothing else.
func (c *Client) Allow(ctx context.Context, name string, hosts []string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	policy := &sprites.NetworkPolicy{Rules: []sprites.NetworkPolicyRule{}}
	for _, host := range hosts {
		policy.Rules = append(policy.Rules, sprites.NetworkPolicyRule{Domain: host, Action: "allow"})
	}
	policy.Rules = append(policy.Rules, sprites.NetworkPolicyRule{Domain: "*", Action: "deny"})
	return c.api.UpdateNetworkPolicy(ctx, name, policy)
}

// Destroy ends everything in a Sprite and removes it. A Sprite that is gone
// already is no error.
func (c *Client) Destroy(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c.homes.Delete(name)
	err := c.api.DeleteSprite(ctx, name)
	var failure *sprites.APIError
	if errors.As(err, &failure) && failure.StatusCode == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("destroy sprite %s: %w", name, err)
	}
	return nil
}
