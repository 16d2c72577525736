//go:build linux

package main

import (
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/server"
)

const defaultSpritesAddr = "127.0.0.1:8778"

func spritesServeCommand(f flags) *cobra.Command {
	addr := ""
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Let any Sprites SDK or CLI use the Sprites of this machine",
		Long: `Serve speaks the HTTP and WebSocket protocol of the Sprites service for the local
Sprites in the data directory: those of sessions, and those that its clients make.
It needs no server and may run beside one. When it is interrupted, its clients are
disconnected; Sprites and what runs in them stay.

  AOD_SPRITES_TOKEN *   the token of its clients, 20 characters or longer (one is
                        made for this run and printed). * or AOD_SPRITES_TOKEN_FILE,
                        which names a file
  AOD_DATA_DIR, AOD_RUNTIMES_DIR, AOD_SPRITE_PROCESSES, AOD_LOG_FORMAT,
  AOD_LOG_LEVEL         as in: aod serve --help

Whoever has the token can run anything in any of these Sprites and read their files,
the sessions' secrets included. The protocol is not encrypted. So only addresses of
this machine are listened on, unless you have set a token; then put a proxy with TLS
before it.

What there is: Sprites with labels, exec with and without a terminal, files, network
policy, checkpoints, and tasks from inside. Services, proxies and port watching are
answered with 501.

  sprites-go   sprites.New(token, sprites.WithBaseURL(url), sprites.WithDisableControl())
  @fly/sprites new SpritesClient(token, { baseURL: url })
  sprites-py   SpritesClient(token, base_url=url)
  curl         curl -H "Authorization: Bearer $TOKEN" $URL/v1/sprites`,
		Example: `  aod sprites serve
  AOD_SPRITES_TOKEN_FILE=/run/secrets/sprites aod sprites serve --addr 127.0.0.1:9000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := configure(f)
			if err != nil {
				return err
			}
			if _, _, err := net.SplitHostPort(addr); err != nil {
				return fmt.Errorf("--addr: %w", err)
			}
			config.Addr = addr
			config.Ready = func(r server.Ready) { greetSprites(cmd.OutOrStdout(), r, config.DataDir) }
			return server.ServeSprites(cmd.Context(), config)
		},
	}
	cmd.Flags().StringVar(&addr, "addr", defaultSpritesAddr, "listen address")
	return cmd
}

// greetSprites tells a person how to point a client here.
func greetSprites(w io.Writer, r server.Ready, dataDir string) {
	at := reachable(r.URL)
	fmt.Fprintf(w, "The Sprites of %s are served at %s\n", dataDir, at)
	token := "$AOD_SPRITES_TOKEN"
	if made := r.Token.Reveal(); made != "" {
		token = made
		fmt.Fprintf(w, "Token of this run, shown only now: %s\n", made)
	}
	fmt.Fprintf(w, `
  export SPRITE_TOKEN=%s
  curl -H "Authorization: Bearer $SPRITE_TOKEN" %[2]s/v1/sprites -d '{"name":"hello"}'
  Go:     sprites.New(os.Getenv("SPRITE_TOKEN"), sprites.WithBaseURL("%[2]s"), sprites.WithDisableControl())
  Node:   new SpritesClient(process.env.SPRITE_TOKEN, { baseURL: "%[2]s" })
  Python: SpritesClient(os.environ["SPRITE_TOKEN"], base_url="%[2]s")

`, token, at)
}
