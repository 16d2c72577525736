//go:build linux

package main

import (
	"fmt"
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/sprite/runtimes"
)

// setting is a variable of the environment that says how a server runs. A line of the
// table is all that help, aod config and the refusal of unknown variables know of one;
// configure puts its value where it belongs.
type setting struct {
	name     string // of the variable
	flag     string // of aod serve that wins over it, if there is one
	secret   bool   // it is never shown, and a twin with _FILE at its end may name a file with it
	standard string // what it is without a word, as the variable would say it
	means    string // the same in other words, where it is no value
	help     string
}

// settings are all settings, in the order in which help shows them.
var settings = append([]setting{
	{name: "AOD_ADDR", flag: "addr", standard: "127.0.0.1:8777", help: "listen address"},
	{name: "AOD_ADMIN_ADDR", flag: "admin-addr", means: "none", help: "second listen address, as in 127.0.0.1:9090, for /metrics (Prometheus), /debug/pprof/, /livez and /readyz. It asks for NO TOKEN: bind it to loopback or to a private network"},
	{name: "AOD_DATA_DIR", flag: "data-dir", means: "$XDG_DATA_HOME/aod, else ~/.local/share/aod", help: "database, key and local Sprites"},
	{name: "AOD_PUBLIC_URL", flag: "public-url", means: "that of the request", help: "the server's URL in the served document"},
	{name: "AOD_BOOTSTRAP_TOKEN", secret: true, means: "one is made and printed at the first start", help: "a token that shall exist for user admin"},
	{name: "AOD_ENCRYPTION_KEY", secret: true, means: "a file, made in the data directory", help: "32 bytes of base64; of several, separated by commas, the first encrypts and all decrypt; see: aod key --help"},
	{name: "AOD_MAX_CONCURRENT_SESSIONS", standard: "100", help: "active sessions per user"},
	{name: "AOD_ROW_RETENTION", flag: "row-retention", standard: "0", help: "how long the rows of a session are kept after it has ended, as in 720h; 0 is for ever. The session and its turns stay, and a reader goes on with the oldest row that is left"},
	{name: "AOD_RUNTIMES_DIR", means: "in the data directory", help: "where local Sprites find the runtimes' programs"},
	{name: "AOD_SPRITE_ISOLATION", standard: "namespaces", help: "namespaces or none. With none, agents run as the server's user, UNCONFINED: they can read and change all that it can, its database and key too. Only for a machine or container that is the isolation itself"},
	{name: "AOD_SPRITE_PROCESSES", standard: "4096", help: "processes and threads that the commands of a local Sprite may have at once"},
	{name: "AOD_SPRITE_MEMORY", means: "half of the machine's", help: "memory of a local Sprite, as in 4GiB or 512MiB"},
	{name: "AOD_SPRITE_CPUS", means: "all", help: "processors whose time a local Sprite may use, as in 1.5; which limits hold here says: aod doctor"},
	{name: "AOD_SPRITE_DISK", standard: "20GiB", help: "disk space of a local Sprite"},
	{name: "AOD_SPRITES_DISK", means: "no limit, but they leave 1 GiB or 2 % free", help: "disk space of all local Sprites together"},
	{name: "AOD_ENVIRONMENT_CACHE", standard: "on", help: "on or off: on this machine, a session starts from what its environment's packages and setup script left for the first one"},
	{name: "AOD_SPRITE_IDLE_TTL", flag: "sprite-idle-ttl", standard: "168h", help: "how long a completed session keeps its Sprite, and can be prompted again, as in 168h or 30m; 0 is for ever"},
	{name: "AOD_SPRITE_ALLOW_HOSTS", means: "none", help: "private and loopback hosts that local Sprites may reach all the same, separated by commas: NAME, NAME:PORT, NAME:PORT=ADDRESS[:PORT], ADDRESS, NETWORK/BITS; what is at 127.0.0.1:PORT is there in every Sprite, too"},
	{name: "AOD_SPRITES_TOKEN", secret: true, means: "one is made for each run", help: "the token of the clients of: aod sprites serve"},
	{name: "AOD_CORS_ORIGINS", means: "none", help: "origins of browser clients, separated by commas"},
	{name: "AOD_LOG_FORMAT", means: "text on a terminal, else json", help: "text or json"},
	{name: "AOD_LOG_LEVEL", standard: "info", help: "debug, info, warn or error"},
	{name: "SPRITES_TOKEN", secret: true, means: "Sprites run on this machine", help: "use the real Sprites service with this token"},
	{name: "OTEL_EXPORTER_OTLP_ENDPOINT", means: "none", help: "send traces of requests, turns, stages and commands to this OpenTelemetry collector, as in http://127.0.0.1:4318 (http/protobuf)"},
	{name: "SPRITES_BASE_URL", means: "https://api.sprites.dev", help: "another Sprites service"},
}, ofRuntimes()...)

// ofRuntimes are the settings that follow from what runtimes there are.
func ofRuntimes() (all []setting) {
	for _, name := range runtimes.Names() {
		if r, _ := runtimes.ByName(name); r.Install != nil {
			all = append(all, setting{name: versionVariable(name), means: "the one that was tried", help: "exact version of the runtime's program, as in 2.1.197"})
		}
	}
	for _, name := range runtimes.Keys() {
		all = append(all, setting{name: name, secret: true, means: "none", help: "given to every session, with the lowest precedence"})
	}
	return all
}

func versionVariable(runtime string) string {
	return "AOD_RUNTIME_" + strings.ToUpper(runtime) + "_VERSION"
}

// others are variables with our prefix that are no business of the server's: the clients'
// and those of a turn that runs aod.
var others = []string{"AOD_API_URL", "AOD_API_TOKEN", "AOD_API_TOKEN_FILE", "AOD_SESSION_ID", "AOD_MODEL"}

func settingOf(name string) *setting {
	for i := range settings {
		if settings[i].name == name {
			return &settings[i]
		}
	}
	return nil
}

// flags are what the command line says, by variable; each is empty if it says nothing.
type flags map[string]*string

// with gives a command the flags of all settings that have one, beside that of the data
// directory, which every command has.
func (f flags) with(cmd *cobra.Command) flags {
	all := maps.Clone(f)
	for _, s := range settings {
		if s.flag != "" && all[s.name] == nil {
			all[s.name] = cmd.Flags().String(s.flag, "", s.flagHelp())
		}
	}
	return all
}

const dataDir = "AOD_DATA_DIR"

func newFlags() flags { return flags{dataDir: new(string)} }

// add gives a command the flag that all of the server's have.
func (f flags) add(cmd *cobra.Command) {
	s := settingOf(dataDir)
	cmd.PersistentFlags().StringVar(f[dataDir], s.flag, "", s.flagHelp())
}

func (f flags) get(name string) string {
	if value := f[name]; value != nil {
		return *value
	}
	return ""
}

func (s setting) flagHelp() string {
	return fmt.Sprintf("%s (%s; default %s)", s.help, s.name, s.without())
}

// without is what holds where the setting is not given.
func (s setting) without() string {
	if s.standard != "" {
		return s.standard
	}
	return s.means
}

const (
	helpColumn = 31
	helpWidth  = 88
)

// settingsHelp explains every setting. Those that mean the same are explained together.
func settingsHelp() string {
	var b strings.Builder
	for i := 0; i < len(settings); {
		s := settings[i]
		names := ""
		for ; i < len(settings) && settings[i].help == s.help; i++ {
			if names != "" {
				names += ", "
			}
			names += settings[i].name
			if settings[i].secret {
				names += " *"
			}
		}
		lines := wrap(s.help+" ("+s.without()+")", helpWidth-helpColumn)
		names = "  " + names
		if len(names) >= helpColumn {
			fmt.Fprintln(&b, strings.Join(wrap(names, helpWidth), "\n"))
			names = ""
		}
		for _, line := range lines {
			fmt.Fprintf(&b, "%-*s%s\n", helpColumn, names, line)
			names = ""
		}
	}
	return b.String()
}

// wrap breaks a text into lines between its words. Every line is indented as the first.
func wrap(text string, width int) (lines []string) {
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line == "" {
			line = indent + word
		} else {
			line += " " + word
		}
	}
	return append(lines, line)
}
