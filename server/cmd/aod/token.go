//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/server"
	"github.com/agent-on-demand/aod/store"
)

func tokenCommand(f flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke API tokens",
		Long:  "Token works on the database in the data directory, also while the server runs.",
	}
	cmd.AddCommand(tokenCreateCommand(f), tokenListCommand(f), tokenRevokeCommand(f))
	return cmd
}

func tokenCreateCommand(f flags) *cobra.Command {
	var user, name string
	var expires time.Duration
	cmd := &cobra.Command{
		Use:     "create --user NAME --name LABEL",
		Short:   "Make a token and print it, and nothing else, on standard output",
		Long:    "Create makes a token, and its user if there is none of that name, and prints it.\nIt is shown only now: the database keeps a hash.",
		Example: "  aod token create --user admin --name laptop --expires 720h",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if user == "" || name == "" || len([]rune(name)) > 100 {
				return errors.New("--user and --name must not be empty, nor --name longer than 100 characters")
			}
			if expires < 0 {
				return errors.New("--expires must lie in the future, as in --expires 720h")
			}
			return withStore(cmd.Context(), f, func(st *store.Store) error {
				token, _, err := st.CreateToken(cmd.Context(), user, name, expires)
				if err == nil {
					_, err = fmt.Fprintln(cmd.OutOrStdout(), token.Reveal())
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "who the token lets its bearer act as")
	cmd.Flags().StringVar(&name, "name", "", "what the token is for")
	cmd.Flags().DurationVar(&expires, "expires", 0, "how long it is good for (default: for ever)")
	return cmd
}

func tokenListCommand(f flags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the tokens, without the tokens themselves",
		Long:  "List shows every token by its first characters. When it was last used is right to\nthe minute.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd.Context(), f, func(st *store.Store) error {
				tokens, err := st.Tokens(cmd.Context())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tPREFIX\tUSER\tNAME\tSTATE\tCREATED\tEXPIRES\tLAST USED")
				for _, t := range tokens {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Prefix, t.User, t.Name, state(t), when(&t.CreatedAt), when(t.ExpiresAt), when(t.LastUsedAt))
				}
				return w.Flush()
			})
		},
	}
}

// when writes a moment into a table; none is never.
func when(m *store.Micros) string {
	if m == nil {
		return "never"
	}
	return m.Time().Format(time.RFC3339)
}

func state(t store.Token) string {
	switch {
	case !t.Active:
		return "revoked"
	case t.ExpiresAt != nil && t.ExpiresAt.Time().Before(time.Now()):
		return "expired"
	}
	return "active"
}

func tokenRevokeCommand(f flags) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID|PREFIX",
		Short: "Make a token useless at once",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd.Context(), f, func(st *store.Store) error {
				return st.RevokeToken(cmd.Context(), args[0])
			})
		},
	}
}

func withStore(ctx context.Context, f flags, do func(*store.Store) error) error {
	config, err := configure(f)
	if err != nil {
		return err
	}
	st, err := server.OpenStore(ctx, config)
	if err != nil {
		return err
	}
	return errors.Join(do(st), st.Close())
}
