//go:build linux

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/agent-on-demand/aod/server"
	"github.com/agent-on-demand/aod/sprite/runtimes"
	"github.com/agent-on-demand/aod/store"
)

// flags are what the command line says; each is empty if it says nothing.
type flags struct{ addr, adminAddr, dataDir, publicURL, spriteIdle string }

// add gives a command the flag that all of the server's have.
func (f *flags) add(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&f.dataDir, "data-dir", "", "where the server keeps its database, key and local Sprites (AOD_DATA_DIR; default $XDG_DATA_HOME/aod, else ~/.local/share/aod)")
}

// environment reads variables and remembers the first mistake.
type environment struct {
	lookup func(string) (string, bool)
	err    error
}

// known are the variables with our prefix. The last five are the clients' and those
// of a turn that runs aod.
var known = []string{
	"AOD_ADDR", "AOD_ADMIN_ADDR", "AOD_DATA_DIR", "AOD_PUBLIC_URL", "AOD_BOOTSTRAP_TOKEN", "AOD_ENCRYPTION_KEY",
	"AOD_MAX_CONCURRENT_SESSIONS", "AOD_RUNTIMES_DIR", "AOD_SPRITE_ISOLATION", "AOD_SPRITE_ALLOW_HOSTS", "AOD_SPRITE_PROCESSES",
	"AOD_SPRITE_MEMORY", "AOD_SPRITE_CPUS", "AOD_SPRITE_DISK", "AOD_SPRITES_DISK", "AOD_SPRITE_IDLE_TTL", "AOD_SPRITES_TOKEN",
	"AOD_ENVIRONMENT_CACHE", "AOD_CORS_ORIGINS", "AOD_LOG_FORMAT", "AOD_LOG_LEVEL", "AOD_API_URL", "AOD_API_TOKEN", "AOD_API_TOKEN_FILE",
	"AOD_SESSION_ID", "AOD_MODEL",
}

// secrets have a twin with _FILE at its end that names a file with the value.
var secrets = []string{"AOD_BOOTSTRAP_TOKEN", "AOD_ENCRYPTION_KEY", "AOD_SPRITES_TOKEN"}

const (
	defaultMaxSessions = 100
	defaultProcesses   = 4096
	defaultDisk        = 20 << 30
	defaultIdle        = 7 * 24 * time.Hour
)

// configure puts the configuration together: flags, then variables, then defaults.
func configure(f *flags) (server.Config, error) {
	env := &environment{lookup: os.LookupEnv}
	env.refuseUnknown(os.Environ())
	c := server.Config{
		Addr:           first(f.addr, env.get("AOD_ADDR"), "127.0.0.1:8777"),
		AdminAddr:      first(f.adminAddr, env.get("AOD_ADMIN_ADDR")),
		DataDir:        first(f.dataDir, env.get("AOD_DATA_DIR"), env.defaultDataDir()),
		PublicURL:      strings.TrimRight(first(f.publicURL, env.get("AOD_PUBLIC_URL")), "/"),
		Token:          env.secret("AOD_BOOTSTRAP_TOKEN"),
		EncryptionKeys: env.secret("AOD_ENCRYPTION_KEY"),
		MaxSessions:    env.count("AOD_MAX_CONCURRENT_SESSIONS", defaultMaxSessions),
		SpritesToken:   env.secret("SPRITES_TOKEN"),
		SpritesURL:     env.get("SPRITES_BASE_URL"),
		HostToken:      env.secret("AOD_SPRITES_TOKEN"),
		Isolation:      env.get("AOD_SPRITE_ISOLATION"),
		RuntimesDir:    env.get("AOD_RUNTIMES_DIR"),
		AllowHosts:     list(env.get("AOD_SPRITE_ALLOW_HOSTS")),
		Processes:      env.count("AOD_SPRITE_PROCESSES", defaultProcesses),
		Memory:         env.size("AOD_SPRITE_MEMORY", 0),
		CPUs:           env.decimal("AOD_SPRITE_CPUS"),
		Disk:           env.size("AOD_SPRITE_DISK", defaultDisk),
		AllDisk:        env.size("AOD_SPRITES_DISK", 0),
		NoCache:        !env.on("AOD_ENVIRONMENT_CACHE"),
		SpriteIdle:     env.duration("AOD_SPRITE_IDLE_TTL", f.spriteIdle, defaultIdle),
		Keys:           map[string]store.Secret{},
		Versions:       map[string]string{},
		CORSOrigins:    list(env.get("AOD_CORS_ORIGINS")),
		Version:        version,
	}
	for _, name := range runtimes.Keys() {
		if key := env.secret(name); key.Reveal() != "" {
			c.Keys[name] = key
		}
	}
	for variable, runtime := range versionVariables() {
		if version := env.get(variable); version != "" {
			c.Versions[runtime] = version
			env.check(variable, version, exactVersion)
		}
	}
	c.Log = env.logger()
	env.check("AOD_ADDR", c.Addr, func(v string) error { _, _, err := net.SplitHostPort(v); return err })
	env.check("AOD_ADMIN_ADDR", c.AdminAddr, func(v string) error { return apart(v, c.Addr) })
	env.check("AOD_SPRITE_ALLOW_HOSTS", env.get("AOD_SPRITE_ALLOW_HOSTS"), func(v string) error { return server.CheckHosts(list(v)) })
	for name, value := range map[string]string{"AOD_PUBLIC_URL": c.PublicURL, "SPRITES_BASE_URL": c.SpritesURL} {
		env.check(name, value, origin)
	}
	if token := c.Token.Reveal(); token != "" && len(token) < 20 {
		env.fail("AOD_BOOTSTRAP_TOKEN", "it is shorter than 20 characters")
	}
	if token := c.HostToken.Reveal(); token != "" && len(token) < 20 {
		env.fail("AOD_SPRITES_TOKEN", "it is shorter than 20 characters")
	}
	if !slices.Contains([]string{"", "namespaces", "none"}, c.Isolation) {
		env.fail("AOD_SPRITE_ISOLATION", "it is not one of namespaces, none: "+c.Isolation)
	}
	return c, env.err
}

// versionVariables name a runtime's version, by variable.
func versionVariables() map[string]string {
	found := map[string]string{}
	for _, name := range runtimes.Names() {
		if r, _ := runtimes.ByName(name); r.Install != nil {
			found["AOD_RUNTIME_"+strings.ToUpper(name)+"_VERSION"] = name
		}
	}
	return found
}

var exactly = regexp.MustCompile(`\A[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?\z`)

// exactVersion wants one version, since programs are kept by it.
func exactVersion(text string) error {
	if !exactly.MatchString(text) {
		return errors.New("it is not an exact version, as in 1.2.3")
	}
	return nil
}

func (e *environment) get(name string) string {
	value, _ := e.lookup(name)
	return strings.TrimSpace(value)
}

// secret reads a variable or the file that its twin names.
func (e *environment) secret(name string) store.Secret {
	path := e.get(name + "_FILE")
	value := e.get(name)
	switch {
	case path == "":
	case value != "":
		e.fail(name+"_FILE", "set it or "+name+", not both")
	default:
		text, err := os.ReadFile(path)
		if err != nil {
			e.fail(name+"_FILE", err.Error())
		}
		value = strings.TrimSpace(string(text))
	}
	return store.NewSecret(value)
}

func (e *environment) count(name string, standard int) int {
	text := e.get(name)
	if text == "" {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		e.fail(name, "it is not a whole number of at least 1: "+text)
	}
	return n
}

// on reads a variable that is on unless it says off.
func (e *environment) on(name string) bool {
	switch text := e.get(name); text {
	case "", "on":
		return true
	case "off":
	default:
		e.fail(name, "it is not one of on, off: "+text)
	}
	return false
}

// duration reads a flag or else a variable that holds a time of at least a second, or 0.
func (e *environment) duration(name, flag string, standard time.Duration) time.Duration {
	text := first(flag, e.get(name))
	if text == "" {
		return standard
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > 0 && d < time.Second {
		e.fail(name, "it is not a time of at least a second as in 168h or 30m, or 0: "+text)
	}
	return d
}

func (e *environment) defaultDataDir() string {
	if dir := e.get("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "aod")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".aod"
	}
	return filepath.Join(home, ".local", "share", "aod")
}

func (e *environment) logger() *slog.Logger {
	options := &slog.HandlerOptions{}
	if level := e.get("AOD_LOG_LEVEL"); level != "" {
		var l slog.Level
		if err := l.UnmarshalText([]byte(level)); err != nil {
			e.fail("AOD_LOG_LEVEL", "it is not one of debug, info, warn, error: "+level)
		}
		options.Level = l
	}
	format := e.get("AOD_LOG_FORMAT")
	if format == "" && isatty.IsTerminal(os.Stderr.Fd()) {
		format = "text"
	}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, options))
	case "", "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	e.fail("AOD_LOG_FORMAT", "it is not one of text, json: "+format)
	return slog.Default()
}

func (e *environment) refuseUnknown(variables []string) {
	for _, variable := range variables {
		name, _, _ := strings.Cut(variable, "=")
		base := strings.TrimSuffix(name, "_FILE")
		if !strings.HasPrefix(name, "AOD_") || slices.Contains(known, name) || versionVariables()[name] != "" || base != name && slices.Contains(secrets, base) {
			continue
		}
		e.fail(name, "there is no such setting; see: aod serve --help")
	}
}

func (e *environment) check(name, value string, valid func(string) error) {
	if value == "" {
		return
	}
	if err := valid(value); err != nil {
		e.fail(name, err.Error())
	}
}

func (e *environment) fail(name, why string) {
	if e.err == nil {
		e.err = fmt.Errorf("%s: %s", name, why)
	}
}

// origin accepts http and https URLs without a path.
func origin(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return fmt.Errorf("it is not of the form https://host: %s", text)
	}
	return nil
}

func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}

func list(text string) []string {
	return slices.DeleteFunc(strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }), func(s string) bool { return s == "" })
}
