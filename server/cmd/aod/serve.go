package main

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/server"
)

// gcSlack is memory that counts as used and is never touched, so takes none. A heap as
// small as the server's would else be collected again with every few megabytes; a large
// one is collected hardly less often than without, unlike with a higher GOGC.
const gcSlack = 16 << 20

func serveCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Serve answers the API until it is interrupted. Without SPRITES_TOKEN, sessions
run in Sprites on this machine: isolated by Linux namespaces, no daemon, no root
needed. At its first start it prints a token.

A flag wins over its variable. Each variable that holds a secret (marked *) can
be replaced by one with _FILE at its end that names a file.

  AOD_ADDR                     listen address (127.0.0.1:8777)
  AOD_DATA_DIR                 database, key and local Sprites ($XDG_DATA_HOME/aod,
                               else ~/.local/share/aod)
  AOD_PUBLIC_URL               the server's URL in the served document
  AOD_BOOTSTRAP_TOKEN *        a token that shall exist for user admin
  AOD_ENCRYPTION_KEY *         32 bytes of base64; of several, separated by commas,
                               the first encrypts and all decrypt (a file, made in
                               the data directory)
  AOD_MAX_CONCURRENT_SESSIONS  active sessions per user (100)
  AOD_RUNTIMES_DIR             where local Sprites find the runtimes' programs
                               (in the data directory)
  AOD_RUNTIME_CLAUDE_VERSION   exact version of the CLI, as in 2.1.197, in place of the
                               one that was tried; so for CODEX, GEMINI, OPENCODE
  AOD_SPRITE_ISOLATION         namespaces or none (namespaces). With none, agents run
                               as the server's user, UNCONFINED: they can read and
                               change all that it can, its database and key too. Only
                               for a machine or container that is the isolation itself
  AOD_SPRITE_PROCESSES         processes and threads that the commands of a local
                               Sprite may have at once (4096)
  AOD_SPRITE_MEMORY            memory of a local Sprite, as in 4GiB or 512MiB (half of
                               the machine's)
  AOD_SPRITE_CPUS              processors whose time a local Sprite may use, as in
                               1.5 (all; which limits hold here says: aod doctor)
  AOD_SPRITE_DISK              disk space of a local Sprite (20GiB)
  AOD_SPRITES_DISK             disk space of all local Sprites together (no limit,
                               but they leave 1 GiB or 2 % free)
  AOD_ENVIRONMENT_CACHE        on or off (on): on this machine, a session starts from what
                               its environment's packages and setup script left for
                               the first one
  AOD_SPRITE_IDLE_TTL          how long a completed session keeps its Sprite, and can be
                               prompted again, as in 168h or 30m; 0 is for ever (168h)
  AOD_SPRITE_ALLOW_HOSTS       private and loopback hosts that local Sprites may reach
                               all the same, separated by commas: NAME, NAME:PORT,
                               NAME:PORT=ADDRESS, ADDRESS, NETWORK/BITS; what is at
                               127.0.0.1:PORT is there in every Sprite, too
  AOD_CORS_ORIGINS             origins of browser clients, separated by commas
  AOD_LOG_FORMAT               text or json (text on a terminal, else json)
  AOD_LOG_LEVEL                debug, info, warn or error (info)
  SPRITES_TOKEN *              use the real Sprites service with this token
  SPRITES_BASE_URL             another Sprites service
  ANTHROPIC_API_KEY *, CLAUDE_CODE_OAUTH_TOKEN *, OPENAI_API_KEY *, GEMINI_API_KEY *
                               given to every session, with the lowest precedence`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := configure(f)
			if err != nil {
				return err
			}
			slack := make([]byte, gcSlack)
			defer runtime.KeepAlive(slack)
			config.Ready = func(r server.Ready) { greet(cmd.OutOrStdout(), r, config) }
			return server.Run(cmd.Context(), config)
		},
	}
	cmd.Flags().StringVar(&f.addr, "addr", "", "listen address (AOD_ADDR; default 127.0.0.1:8777)")
	cmd.Flags().StringVar(&f.publicURL, "public-url", "", "the server's URL in the served document (AOD_PUBLIC_URL)")
	cmd.Flags().StringVar(&f.spriteIdle, "sprite-idle-ttl", "", "how long a completed session keeps its Sprite, 0 for ever (AOD_SPRITE_IDLE_TTL; default 168h)")
	return cmd
}

// greet tells a person what to do next.
func greet(w io.Writer, r server.Ready, c server.Config) {
	at := reachable(r.URL)
	fmt.Fprintf(w, "aod %s is ready at %s (data in %s)\n", version, at, c.DataDir)
	if c.Unconfined() {
		fmt.Fprintln(w, "WARNING: AOD_SPRITE_ISOLATION is none: agents run as this user, unconfined, and can read and change all that it can.")
	}
	if r.Token.Reveal() == "" {
		fmt.Fprintf(w, "Another token: aod token create --user admin --name NAME --data-dir %s\n", c.DataDir)
		return
	}
	fmt.Fprintf(w, `
Your token, shown only now: %s

Three calls, one running agent:

  export AOD_API_URL=%s AOD_API_TOKEN=%[1]s
  AGENT=$(curl -s $AOD_API_URL/agents -H "Authorization: Bearer $AOD_API_TOKEN" -d '{"name":"hello","model":"local/bash","runtime":"shell"}' | sed 's/{"id":"\([^"]*\).*/\1/')
  SESSION=$(curl -s $AOD_API_URL/sessions -H "Authorization: Bearer $AOD_API_TOKEN" -d '{"agent_id":"'$AGENT'","prompt":"echo hello","timeout":120}' | sed 's/{"id":"\([^"]*\).*/\1/')
  curl -N $AOD_API_URL/sessions/$SESSION/stream -H "Authorization: Bearer $AOD_API_TOKEN"

All calls, to read and to try with the token: %[2]s/docs

`, r.Token.Reveal(), at)
}

// reachable is a URL for this machine's clients: a server that listens everywhere
// is reached at localhost.
func reachable(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	host, port, err := net.SplitHostPort(u.Host)
	if ip := net.ParseIP(host); err == nil && ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		u.Host = net.JoinHostPort("localhost", port)
	}
	return u.String()
}
