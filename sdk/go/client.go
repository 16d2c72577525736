package aod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/agent-on-demand/aod/gen"
)

// DefaultURL is where a server listens unless it is told otherwise.
const DefaultURL = "http://localhost:8777"

// Client makes the calls of the API for the bearer of one token. It may be used by many
// goroutines at once.
type Client struct {
	Agents       *Agents
	Environments *Environments
	Sessions     *Sessions

	base     string
	token    string
	calls    *gen.Client
	streams  *http.Client
	settings settings
}

// settings are what options change.
type settings struct {
	transport   http.RoundTripper
	agent       string
	retries     int
	reconnects  int
	first, last time.Duration
	queue       bool
}

// Option changes how a Client behaves.
type Option func(*settings)

// WithTransport makes all connections in another way.
func WithTransport(t http.RoundTripper) Option { return func(s *settings) { s.transport = t } }

// WithUserAgent says who is calling.
func WithUserAgent(name string) Option { return func(s *settings) { s.agent = name } }

// WithRetries says how often a call is made again that may be; 3 without this option.
func WithRetries(n int) Option { return func(s *settings) { s.retries = n } }

// WithReconnects says how often in a row Follow comes back without being shown anything
// new; 10 without this option.
func WithReconnects(n int) Option { return func(s *settings) { s.reconnects = n } }

// WithPauses bounds the pauses before a call or a stream is tried again, which double each
// time; a quarter of a second and 10 seconds without this option. A server that asks for
// more is waited for, up to a minute.
func WithPauses(first, last time.Duration) Option {
	return func(s *settings) { s.first, s.last = first, last }
}

// WithQuotaWait makes Sessions.Create try again also when the user has as many active
// sessions as allowed.
func WithQuotaWait() Option { return func(s *settings) { s.queue = true } }

// New returns a client. An empty base URL is that of AOD_API_URL, else DefaultURL; an empty
// token is that of AOD_API_TOKEN, or of the file that AOD_API_TOKEN_FILE names.
func New(baseURL, token string, options ...Option) (*Client, error) {
	c := &Client{settings: settings{
		transport: http.DefaultTransport, agent: "aod-go", retries: 3, reconnects: 10, first: 250 * time.Millisecond, last: 10 * time.Second,
	}}
	for _, option := range options {
		option(&c.settings)
	}
	var err error
	if c.base, err = base(baseURL); err != nil {
		return nil, err
	}
	if c.token, err = bearer(token); err != nil {
		return nil, err
	}
	c.streams = &http.Client{Transport: c.settings.transport, CheckRedirect: stay}
	if c.calls, err = gen.NewClient(c.base, gen.WithHTTPClient(c.caller())); err != nil {
		return nil, err
	}
	c.Agents, c.Environments, c.Sessions = &Agents{c}, &Environments{c}, &Sessions{c}
	return c, nil
}

// API is the generated client, for answers as they are. Its calls have the token, are made
// again where they may be, and return an *Error for what is refused.
func (c *Client) API() *gen.Client { return c.calls }

// BaseURL is where the server is.
func (c *Client) BaseURL() string { return c.base }

// Health says how the server is. It needs no token.
func (c *Client) Health(ctx context.Context) (*Health, error) {
	return decode[Health](c.calls.GetHealth(ctx))
}

// Health is how a server is.
type Health = gen.Health

// ErrNoToken is that there is no token to call with.
var ErrNoToken = errors.New("no API token: set AOD_API_TOKEN, or AOD_API_TOKEN_FILE to the path of a file that holds it")

func base(text string) (string, error) {
	if text == "" {
		text = os.Getenv("AOD_API_URL")
	}
	if text == "" {
		text = DefaultURL
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", errors.New("the API's URL is not of the form https://host") // not repeated: it may hold a password
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// tokenLimit is how much of a token's file is read, in bytes.
const tokenLimit = 4 << 10

func bearer(token string) (string, error) {
	path := os.Getenv("AOD_API_TOKEN_FILE")
	switch fromVariable := os.Getenv("AOD_API_TOKEN"); {
	case token != "":
	case fromVariable != "" && path != "":
		return "", errors.New("AOD_API_TOKEN and AOD_API_TOKEN_FILE are both set: set one of them")
	case path != "":
		file, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("AOD_API_TOKEN_FILE: %w", err)
		}
		defer file.Close()
		text, err := io.ReadAll(io.LimitReader(file, tokenLimit))
		if err != nil {
			return "", fmt.Errorf("AOD_API_TOKEN_FILE: %w", err)
		}
		token = string(text)
	default:
		token = fromVariable
	}
	token = strings.TrimSpace(token)
	if token == "" {
		return "", ErrNoToken
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", errors.New("the API token has characters that no token has")
	}
	return token, nil
}

// decode reads the answer of a call.
func decode[T any](answer *http.Response, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	value := new(T)
	if err := json.NewDecoder(answer.Body).Decode(value); err != nil {
		return nil, fmt.Errorf("%s %s: read the answer: %w", answer.Request.Method, answer.Request.URL.Redacted(), err)
	}
	return value, nil
}
