package client

import (
	"context"
	"iter"
	"time"

	"github.com/spf13/cobra"

	aod "github.com/agent-on-demand/aod/sdk/go"
	"github.com/agent-on-demand/aod/sdk/go/pretty"
	"github.com/agent-on-demand/aod/sprite/runtimes"
)

const (
	completionTime = 2 * time.Second // that a person waits for a completion
	completions    = 50              // of the newest rows
)

type completing = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective)

// completer makes completions of the newest rows of a list.
func completer[T any](c *connection, rows func(context.Context, *aod.Client) iter.Seq2[T, error], text func(T) cobra.Completion) completing {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		client, err := c.open(aod.WithRetries(0))
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.Background(), completionTime)
		defer cancel()
		var found []cobra.Completion
		for row, err := range rows(ctx, client) {
			if err != nil || len(found) == completions {
				break
			}
			found = append(found, text(row))
		}
		return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

func (c *connection) completeAgents() completing {
	return completer(c, func(ctx context.Context, client *aod.Client) iter.Seq2[aod.Agent, error] {
		return client.Agents.List(ctx, aod.AgentFilter{})
	}, func(a aod.Agent) cobra.Completion {
		return cobra.CompletionWithDesc(a.ID, pretty.Cleaned(a.Name))
	})
}

func (c *connection) completeEnvironments() completing {
	return completer(c, func(ctx context.Context, client *aod.Client) iter.Seq2[aod.Environment, error] {
		return client.Environments.List(ctx, aod.EnvironmentFilter{})
	}, func(e aod.Environment) cobra.Completion {
		return cobra.CompletionWithDesc(e.ID, pretty.Cleaned(e.Name))
	})
}

func (c *connection) completeSessions() completing {
	return completer(c, func(ctx context.Context, client *aod.Client) iter.Seq2[aod.Session, error] {
		return client.Sessions.List(ctx, aod.SessionFilter{})
	}, func(s aod.Session) cobra.Completion {
		return cobra.CompletionWithDesc(s.ID, string(s.Status)+", "+string(s.Runtime)+", "+since(s.CreatedAt.Time))
	})
}

// first completes the first argument alone.
func first(complete completing) completing {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, begun)
	}
}

func completeRuntimes(cmd *cobra.Command) {
	must(cmd.RegisterFlagCompletionFunc("runtime", cobra.FixedCompletions(runtimes.Names(), cobra.ShellCompDirectiveNoFileComp)))
}
