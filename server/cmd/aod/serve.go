//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/server"
)

// gcSlack is memory that counts as used and is never touched, so takes none. A heap as
// small as the server's would else be collected again with every few megabytes; a large
// one is collected hardly less often than without, unlike with a higher GOGC.
const gcSlack = 16 << 20

func serveCommand(f flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Serve answers the API until it is interrupted. Without SPRITES_TOKEN, sessions
run in Sprites on this machine: isolated by Linux namespaces, no daemon, no root
needed. At its first start it prints a token.

A flag wins over its variable. Each variable that holds a secret (marked *) can
be replaced by one with _FILE at its end that names a file. What is in force, and
where it comes from, says: aod config

` + settingsHelp() + `
Other variables of the OpenTelemetry SDK count as well: OTEL_SERVICE_NAME (aod),
OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS and so on.`,
		Args: cobra.NoArgs,
	}
	f = f.with(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config, err := configure(f)
		if err != nil {
			return err
		}
		slack := make([]byte, gcSlack)
		defer runtime.KeepAlive(slack)
		config.Ready = func(r server.Ready) {
			greet(cmd.OutOrStdout(), r, config)
			debug.FreeOSMemory() // what starting took
		}
		return server.Run(cmd.Context(), config)
	}
	return cmd
}

// greet tells a person what to do next.
func greet(w io.Writer, r server.Ready, c server.Config) {
	at, admin := reachable(r.URL), ""
	if r.Admin != "" {
		admin = ", metrics at " + reachable(r.Admin) + "/metrics"
	}
	fmt.Fprintf(w, "aod %s is ready at %s (data in %s%s)\n", version, at, c.DataDir, admin)
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

Or all of it at once:

  %[3]s run --runtime shell "echo hello"

All calls, to read and to try with the token: %[2]s/docs

`, r.Token.Reveal(), at, os.Args[0])
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
