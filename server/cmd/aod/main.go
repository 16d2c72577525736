// Command aod runs coding agents in Sprites behind a REST API.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/api"
)

// version is set by the linker in releases.
var version = "0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "aod:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "aod",
		Short: "Run coding agents in Sprites behind a REST API",
		Long: `Agent on Demand is a REST API that runs coding agents in Sprites, isolated
Linux machines. Create an agent, start a session, read its stream.

Start a server on this machine with: aod serve`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := newFlags(root)
	root.AddCommand(serveCommand(flags), tokenCommand(flags), userCommand(flags), spritesCommand(flags), doctorCommand(flags), configCommand(flags), backupCommand(flags), restoreCommand(flags), keyCommand(flags), healthCommand(flags), versionCommand(), openapiCommand())
	return root
}

func openapiCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "openapi",
		Short: "Print the API's OpenAPI document",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			document := api.Document
			if asJSON {
				var err error
				if document, err = api.JSON(api.Document); err != nil {
					return err
				}
			}
			_, err := cmd.OutOrStdout().Write(document)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON instead of YAML")
	return cmd
}
