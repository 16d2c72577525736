package client

import (
	"context"
	"fmt"
	"iter"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	aod "github.com/agent-on-demand/aod/sdk/go"
)

// wholeID is how the server's ids look.
var wholeID = regexp.MustCompile(`\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\z`)

// shortest is how much of a session's id has to be given.
const shortest = 4

// one wants the one thing that a command is about.
func one(noun string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("name one %s, not %d; see: aod %ss list", noun, len(args), noun)
		}
		return nil
	}
}

// agentID finds an agent by its id or by its name.
func agentID(ctx context.Context, client *aod.Client, text string) (string, error) {
	return only("agent", text, client.Agents.List(ctx, aod.AgentFilter{}), func(a aod.Agent) (string, bool) { return a.ID, a.Name == text })
}

// environmentID finds an environment by its id or by its name.
func environmentID(ctx context.Context, client *aod.Client, text string) (string, error) {
	return only("environment", text, client.Environments.List(ctx, aod.EnvironmentFilter{}), func(e aod.Environment) (string, bool) { return e.ID, e.Name == text })
}

// sessionID finds a session by its id or by how that begins.
func sessionID(ctx context.Context, client *aod.Client, text string) (string, error) {
	if len(text) < shortest {
		return "", fmt.Errorf("%q is too little of a session's id; see: aod sessions list", text)
	}
	return only("session", text, client.Sessions.List(ctx, aod.SessionFilter{}), func(s aod.Session) (string, bool) { return s.ID, strings.HasPrefix(s.ID, text) })
}

// only is the id of the one row that is meant.
func only[T any](noun, text string, rows iter.Seq2[T, error], meant func(T) (id string, is bool)) (string, error) {
	if wholeID.MatchString(text) {
		return text, nil
	}
	var found []string
	for row, err := range rows {
		if err != nil {
			return "", err
		}
		if id, is := meant(row); is {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("there is no %s %q; see: aod %ss list", noun, text, noun)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%d %ss are meant by %q: say which, by its id: %s", len(found), noun, text, strings.Join(found, ", "))
}
