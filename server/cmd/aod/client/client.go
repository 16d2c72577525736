// Package client holds the commands that talk to a server: run, sessions, agents,
// environments. They need nothing but its URL and a token, so they are on every system.
//
// What a server or an agent says is not to be trusted with a terminal: it gets there
// without control characters.
package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	aod "github.com/agent-on-demand/aod/sdk/go"
	"github.com/agent-on-demand/aod/sdk/go/pretty"
)

// Commands are the commands that talk to a server. The version is what they call
// themselves there.
func Commands(version string) []*cobra.Command {
	c := &connection{version: version}
	all := []*cobra.Command{runCommand(c), sessionsCommand(c), agentsCommand(c), environmentsCommand(c)}
	for _, cmd := range all {
		cmd.PersistentFlags().StringVar(&c.url, "api-url", "", "the `URL` of the server (AOD_API_URL; default "+aod.DefaultURL+")")
	}
	return all
}

// Exit is an end with a code of its own. Without an error there is nothing to say.
type Exit struct {
	Code int
	Err  error
}

func (e *Exit) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap is the reason.
func (e *Exit) Unwrap() error { return e.Err }

// connection says which server to talk to.
type connection struct{ url, version string }

func (c *connection) open(options ...aod.Option) (*aod.Client, error) {
	return aod.New(c.url, "", append([]aod.Option{aod.WithUserAgent("aod/" + c.version)}, options...)...)
}

// with makes a command's work of what a client and its arguments are needed for.
func (c *connection) with(do func(cmd *cobra.Command, client *aod.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := c.open()
		if err != nil {
			return err
		}
		return explain(client, do(cmd, client, args))
	}
}

// explain says in one line what is wrong and what helps.
func explain(client *aod.Client, err error) error {
	var refused *aod.Error
	var away *url.Error
	var dial *net.OpError
	switch {
	case err == nil || errors.As(err, new(*Exit)):
		return err
	case errors.Is(err, context.Canceled):
		return &Exit{Code: interruptedCode}
	case errors.Is(err, aod.ErrUnauthorized) && errors.As(err, &refused):
		return fmt.Errorf("%s does not take the token: %s. Set AOD_API_TOKEN to one of its tokens (on its machine: aod token create)", client.BaseURL(), pretty.Cleaned(refused.Detail))
	case errors.Is(err, aod.ErrServer) && errors.As(err, &refused):
		return fmt.Errorf("%s (status %d, request %s)", pretty.Cleaned(refused.Detail), refused.StatusCode, pretty.Cleaned(refused.RequestID))
	case errors.As(err, &refused):
		return errors.New(pretty.Cleaned(refused.Detail))
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("no server answers at %s: %s. Start one there (aod serve) or set AOD_API_URL", client.BaseURL(), reason(dial.Err))
	case errors.As(err, &away):
		return fmt.Errorf("no answer from %s: %s", client.BaseURL(), pretty.Cleaned(away.Err.Error()))
	}
	return errors.New(pretty.Cleaned(err.Error()))
}

// reason is the innermost of what went wrong.
func reason(err error) string {
	text := err.Error()
	if at := strings.LastIndex(text, ": "); at >= 0 {
		return text[at+2:]
	}
	return text
}
