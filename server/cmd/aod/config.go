//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
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

	"github.com/agent-on-demand/aod/server"
	"github.com/agent-on-demand/aod/sprite/runtimes"
	"github.com/agent-on-demand/aod/store"
)

// environment reads settings and remembers the first mistake.
type environment struct {
	flags  flags
	lookup func(string) (string, bool)
	err    error
}

// configure puts the configuration together: flags, then variables, then defaults.
func configure(f flags) (server.Config, error) {
	env := newEnvironment(f)
	c := server.Config{
		Addr:           env.get("AOD_ADDR"),
		AdminAddr:      env.get("AOD_ADMIN_ADDR"),
		DataDir:        env.dataDir(),
		PublicURL:      strings.TrimRight(env.get("AOD_PUBLIC_URL"), "/"),
		Token:          env.secret("AOD_BOOTSTRAP_TOKEN"),
		EncryptionKeys: env.secret("AOD_ENCRYPTION_KEY"),
		MaxSessions:    env.count("AOD_MAX_CONCURRENT_SESSIONS"),
		SpritesToken:   env.secret("SPRITES_TOKEN"),
		SpritesURL:     env.get("SPRITES_BASE_URL"),
		HostToken:      env.secret("AOD_SPRITES_TOKEN"),
		Isolation:      env.get("AOD_SPRITE_ISOLATION"),
		RuntimesDir:    env.get("AOD_RUNTIMES_DIR"),
		AllowHosts:     list(env.get("AOD_SPRITE_ALLOW_HOSTS")),
		Processes:      env.count("AOD_SPRITE_PROCESSES"),
		Memory:         env.size("AOD_SPRITE_MEMORY"),
		CPUs:           env.decimal("AOD_SPRITE_CPUS"),
		Disk:           env.size("AOD_SPRITE_DISK"),
		AllDisk:        env.size("AOD_SPRITES_DISK"),
		NoCache:        !env.on("AOD_ENVIRONMENT_CACHE"),
		SpriteIdle:     env.duration("AOD_SPRITE_IDLE_TTL"),
		RowRetention:   env.duration("AOD_ROW_RETENTION"),
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
	for _, name := range runtimes.Names() {
		if settingOf(versionVariable(name)) == nil {
			continue
		}
		if version := env.get(versionVariable(name)); version != "" {
			c.Versions[name] = version
			env.check(versionVariable(name), version, exactVersion)
		}
	}
	c.Log = env.logger()
	env.check("AOD_ADDR", c.Addr, func(v string) error { _, _, err := net.SplitHostPort(v); return err })
	env.check("AOD_ADMIN_ADDR", c.AdminAddr, func(v string) error { return apart(v, c.Addr) })
	env.check("AOD_ENCRYPTION_KEY", c.EncryptionKeys.Reveal(), func(v string) error { _, err := store.ParseKeys(v); return err })
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
	if !slices.Contains([]string{"namespaces", "none"}, c.Isolation) {
		env.fail("AOD_SPRITE_ISOLATION", "it is not one of namespaces, none: "+c.Isolation)
	}
	return c, env.err
}

var exactly = regexp.MustCompile(`\A[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?\z`)

// exactVersion wants one version, since programs are kept by it.
func exactVersion(text string) error {
	if !exactly.MatchString(text) {
		return errors.New("it is not an exact version, as in 1.2.3")
	}
	return nil
}

func newEnvironment(f flags) *environment {
	e := &environment{flags: f, lookup: os.LookupEnv}
	e.refuseUnknown(os.Environ())
	return e
}

// Where the value of a setting comes from.
const (
	fromFlag     = "flag"
	fromVariable = "variable"
	fromFile     = "file"
	fromDefault  = "default"
)

// find returns the value of a setting and where it comes from.
func (e *environment) find(name string) (value, from string) {
	s := settingOf(name)
	if value := e.flags.get(name); value != "" {
		return value, fromFlag
	}
	if value := e.variable(name); value != "" {
		if s.secret && e.variable(name+"_FILE") != "" {
			e.fail(name+"_FILE", "set it or "+name+", not both")
		}
		return value, fromVariable
	}
	if path := e.variable(name + "_FILE"); s.secret && path != "" {
		text, err := readSecret(path)
		if err != nil {
			e.fail(name+"_FILE", err.Error())
		}
		return text, fromFile
	}
	return s.standard, fromDefault
}

// maxSecret is more than any secret has; what is longer is another file.
const maxSecret = 64 << 10

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(text) > maxSecret {
		err = errors.New("the file is longer than any secret")
	}
	return strings.TrimSpace(string(text)), err
}

func (e *environment) variable(name string) string {
	value, _ := e.lookup(name)
	return strings.TrimSpace(value)
}

func (e *environment) get(name string) string {
	value, _ := e.find(name)
	return value
}

func (e *environment) secret(name string) store.Secret { return store.NewSecret(e.get(name)) }

func (e *environment) count(name string) int {
	text := e.get(name)
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		e.fail(name, "it is not a whole number of at least 1: "+text)
	}
	return n
}

// on reads a variable that is on unless it says off.
func (e *environment) on(name string) bool {
	switch text := e.get(name); text {
	case "on":
		return true
	case "off":
	default:
		e.fail(name, "it is not one of on, off: "+text)
	}
	return false
}

// duration reads a setting that is a time of at least a second, or 0.
func (e *environment) duration(name string) time.Duration {
	text := e.get(name)
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > 0 && d < time.Second {
		e.fail(name, "it is not a time of at least a second as in 168h or 30m, or 0: "+text)
	}
	return d
}

func (e *environment) dataDir() string {
	if dir := e.get(dataDir); dir != "" {
		return dir
	}
	if dir := e.variable("XDG_DATA_HOME"); filepath.IsAbs(dir) {
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
	level := e.get("AOD_LOG_LEVEL")
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		e.fail("AOD_LOG_LEVEL", "it is not one of debug, info, warn, error: "+level)
	}
	options.Level = l
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
		if !strings.HasPrefix(name, "AOD_") || settingOf(name) != nil || slices.Contains(others, name) {
			continue
		}
		if twin := settingOf(strings.TrimSuffix(name, "_FILE")); twin != nil && twin.secret {
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
		return errors.New("it is no URL") // the reason would repeat it, with a password in it
	}
	if u.User != nil {
		return errors.New("it must not have a user or a password in it")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return fmt.Errorf("it is not of the form https://host: %s", text)
	}
	return nil
}

func list(text string) []string {
	return slices.DeleteFunc(strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }), func(s string) bool { return s == "" })
}
