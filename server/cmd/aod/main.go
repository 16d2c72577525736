// Command aod runs coding agents in Sprites behind a REST API.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/api"
	"github.com/agent-on-demand/aod/server/cmd/aod/client"
)

// version is set by the linker in releases.
var version = "0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := command().ExecuteContext(ctx); err != nil {
		os.Exit(fail(err))
	}
}

// fail says what is wrong, if there is something to say, and returns the exit code.
func fail(err error) int {
	if text := err.Error(); text != "" {
		fmt.Fprintln(os.Stderr, "aod:", text)
	}
	if exit := (*client.Exit)(nil); errors.As(err, &exit) {
		return exit.Code
	}
	return 1
}

// The groups of commands.
const (
	clientGroup = "client"
	serverGroup = "server"
)

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "aod",
		Short: "Run coding agents in Sprites behind a REST API",
		Long: `Agent on Demand is a REST API that runs coding agents in Sprites, isolated
Linux machines. Create an agent, start a session, read its stream.

Start a server on this machine with: aod serve

  export AOD_API_URL=http://localhost:8777 AOD_API_TOKEN=aod_...
  aod run --runtime shell "echo hello"

AOD_API_TOKEN_FILE may name a file with the token instead.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddGroup(&cobra.Group{ID: clientGroup, Title: "Use a server:"}, &cobra.Group{ID: serverGroup, Title: "Be a server:"})
	for _, cmd := range client.Commands(version) {
		cmd.GroupID = clientGroup
		root.AddCommand(cmd)
	}
	for _, cmd := range serverCommands() {
		cmd.GroupID = serverGroup
		root.AddCommand(cmd)
	}
	root.AddCommand(versionCommand(), openapiCommand())
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
