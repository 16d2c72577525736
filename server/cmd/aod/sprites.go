//go:build linux

package main

import (
	"fmt"
	"regexp"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/server"
	"github.com/agent-on-demand/aod/store"
)

func spritesCommand(f flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sprites",
		Short: "List, destroy and serve the machines of sessions",
		Long: `Sprites are the machines that sessions run in. The server makes and destroys them by
itself: these commands are for looking, and for what cannot wait. They work also while
the server runs, and with SPRITES_TOKEN on the Sprites of the service.`,
	}
	cmd.AddCommand(spritesListCommand(f), spritesDestroyCommand(f), spritesServeCommand(f))
	return cmd
}

func spritesListCommand(f flags) *cobra.Command {
	deployment := ""
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the Sprites of this deployment",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := configure(f)
			if err != nil {
				return err
			}
			if err := checkDeployment(deployment); err != nil {
				return err
			}
			all, err := server.Sprites(cmd.Context(), config, deployment)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "SESSION\tSTATUS\tCREATED\tSIZE\tNAME")
			for _, s := range all {
				created := store.Micros(s.Created.UnixMicro())
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Session, s.Status, when(&created), sizeText(s.Size), s.Name)
			}
			return w.Flush()
		},
	}
	deploymentFlag(cmd, &deployment)
	return cmd
}

// deploymentFlag is for the Sprites that a restore has left to nobody.
func deploymentFlag(cmd *cobra.Command, deployment *string) {
	cmd.Flags().StringVar(deployment, "deployment", "", "those of another one, as aod restore names it (default: of the data directory)")
}

var deploymentForm = regexp.MustCompile(`\A[0-9a-f]{8}\z`)

func checkDeployment(name string) error {
	if name != "" && !deploymentForm.MatchString(name) {
		return fmt.Errorf("--deployment is 8 digits and letters from a to f: %s", name)
	}
	return nil
}

func spritesDestroyCommand(f flags) *cobra.Command {
	deployment := ""
	cmd := &cobra.Command{
		Use:   "destroy NAME|SESSION...",
		Short: "End all that runs in a Sprite and remove it with its files",
		Long: `Destroy removes Sprites for good. A turn that runs in one fails, and its session takes
no more prompts. To end a session properly, terminate it.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := configure(f)
			if err != nil {
				return err
			}
			if err := checkDeployment(deployment); err != nil {
				return err
			}
			for _, name := range args {
				if err := server.DestroySprite(cmd.Context(), config, deployment, name); err != nil {
					return err
				}
			}
			return nil
		},
	}
	deploymentFlag(cmd, &deployment)
	return cmd
}
