//go:build linux

package main

import (
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/store"
)

func userCommand(f flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "List users and set their quotas",
		Long:  "User works on the database in the data directory, also while the server runs.\nUsers are made by: aod token create",
	}
	cmd.AddCommand(userListCommand(f), userQuotaCommand(f))
	return cmd
}

func userListCommand(f flags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the users, how many sessions they may have active and how many are",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd.Context(), f, func(st *store.Store) error {
				users, err := st.Users(cmd.Context())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "NAME\tQUOTA\tACTIVE\tCREATED")
				for _, u := range users {
					quota := noQuota
					if u.MaxSessions != nil {
						quota = strconv.Itoa(*u.MaxSessions)
					}
					fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", u.Name, quota, u.Active, when(&u.CreatedAt))
				}
				return w.Flush()
			})
		},
	}
}

// noQuota stands for a user who has no quota of its own.
const noQuota = "default"

func userQuotaCommand(f flags) *cobra.Command {
	return &cobra.Command{
		Use:   "quota NAME COUNT|default",
		Short: "Set how many sessions a user may have active at once",
		Long: `Quota sets how many sessions a user may have pending or running at once; one more
is answered with 429. It holds at once. With "default" the user has no quota of
its own: AOD_MAX_CONCURRENT_SESSIONS of the server holds again.`,
		Example: "  aod user quota admin 5\n  aod user quota admin default",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			count := 0
			if args[1] != noQuota {
				var err error
				if count, err = strconv.Atoi(args[1]); err != nil || count < 1 {
					return errors.New("COUNT must be a whole number of at least 1, or: " + noQuota)
				}
			}
			return withStore(cmd.Context(), f, func(st *store.Store) error {
				return st.SetQuota(cmd.Context(), args[0], count)
			})
		},
	}
}
