package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	aod "github.com/agent-on-demand/aod/sdk/go"
)

func environmentsCommand(c *connection) *cobra.Command {
	f := new(format)
	cmd := &cobra.Command{
		Use:   "environments",
		Short: "List, make, change and remove environments",
		Long:  "An environment is the recipe for the machine of a session: packages, variables, a setup\nscript, the hosts that it may reach. Where one is to be named, its id will do, or its name.",
	}
	f.add(cmd)
	cmd.AddCommand(environmentsListCommand(c, f), environmentsGetCommand(c, f), environmentsCreateCommand(c, f), environmentsUpdateCommand(c, f),
		environmentsArchiveCommand(c, f), environmentsDeleteCommand(c, f), environmentsVersionsCommand(c, f))
	return cmd
}

var environmentColumns = []column[aod.Environment]{
	{"ID", func(e aod.Environment) string { return e.ID }},
	{"NAME", func(e aod.Environment) string { return short(e.Name, 40) }},
	{"NETWORK", func(e aod.Environment) string { return network(e.Networking) }},
	{"PACKAGES", func(e aod.Environment) string { return packages(e.Packages) }},
	{"VERSION", func(e aod.Environment) string { return strconv.Itoa(e.Version) }},
	{"AGE", func(e aod.Environment) string { return since(e.CreatedAt.Time) }},
}

// network says what an environment may reach.
func network(given json.RawMessage) string {
	var n struct {
		Type  string
		Hosts []string `json:"allowed_hosts"`
	}
	if json.Unmarshal(given, &n) != nil || n.Type != "limited" {
		return n.Type
	}
	return fmt.Sprintf("limited (%d)", len(n.Hosts))
}

func packages(given map[string][]string) string {
	count := 0
	for _, names := range given {
		count += len(names)
	}
	return strconv.Itoa(count)
}

func environmentsListCommand(c *connection, f *format) *cobra.Command {
	p := &paging{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the environments that are not archived, the newest first",
		Args:  cobra.NoArgs,
		RunE: c.with(func(cmd *cobra.Command, client *aod.Client, _ []string) error {
			limit, err := p.get(cmd)
			if err != nil {
				return err
			}
			answer, err := client.API().ListEnvironments(cmd.Context(), &aod.EnvironmentFilter{Limit: limit})
			return f.show(cmd, answer, err, table(environmentColumns))
		}),
	}
	p.add(cmd)
	return cmd
}

// environmentCommand is a command that is about one environment.
func environmentCommand(c *connection, f *format, use, short string, write func(io.Writer, []byte) error, ask func(cmd *cobra.Command, client *aod.Client, id string) (*http.Response, error)) *cobra.Command {
	return &cobra.Command{
		Use:               use + " ENVIRONMENT",
		Short:             short,
		Args:              one("environment"),
		ValidArgsFunction: first(c.completeEnvironments()),
		RunE: c.with(func(cmd *cobra.Command, client *aod.Client, args []string) error {
			id, err := environmentID(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			answer, err := ask(cmd, client, id)
			return f.show(cmd, answer, err, write)
		}),
	}
}

func environmentsGetCommand(c *connection, f *format) *cobra.Command {
	return environmentCommand(c, f, "get", "Show an environment, without its variables", details, func(cmd *cobra.Command, client *aod.Client, id string) (*http.Response, error) {
		return client.API().GetEnvironment(cmd.Context(), id)
	})
}

func environmentsArchiveCommand(c *connection, f *format) *cobra.Command {
	return environmentCommand(c, f, "archive", "Hide an environment and keep it from new sessions, for good", details, func(cmd *cobra.Command, client *aod.Client, id string) (*http.Response, error) {
		return client.API().ArchiveEnvironment(cmd.Context(), id)
	})
}

func environmentsDeleteCommand(c *connection, f *format) *cobra.Command {
	return environmentCommand(c, f, "delete", "Remove an environment that no session has", details, func(cmd *cobra.Command, client *aod.Client, id string) (*http.Response, error) {
		return client.API().DeleteEnvironment(cmd.Context(), id)
	})
}

var environmentVersionColumns = []column[aod.EnvironmentVersion]{
	{"VERSION", func(v aod.EnvironmentVersion) string { return strconv.Itoa(v.Version) }},
	{"NAME", func(v aod.EnvironmentVersion) string { return short(v.Name, 40) }},
	{"NETWORK", func(v aod.EnvironmentVersion) string { return network(v.Networking) }},
	{"PACKAGES", func(v aod.EnvironmentVersion) string { return packages(v.Packages) }},
	{"AGE", func(v aod.EnvironmentVersion) string { return since(v.CreatedAt.Time) }},
}

func environmentsVersionsCommand(c *connection, f *format) *cobra.Command {
	return environmentCommand(c, f, "versions", "List the versions of an environment, the newest first", table(environmentVersionColumns), func(cmd *cobra.Command, client *aod.Client, id string) (*http.Response, error) {
		return client.API().ListEnvironmentVersions(cmd.Context(), id)
	})
}

// environmentFields are those of an environment that have flags.
type environmentFields struct {
	name, setup          string
	packages, env, hosts []string
	body                 body
}

// managers are the package managers of environments.
var managers = []string{"apt", "cargo", "gem", "go", "npm", "pip"}

func (e *environmentFields) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&e.name, "name", "", "its `NAME`")
	f.StringArrayVar(&e.packages, "package", nil, "a package to install, `MANAGER:NAME`, as in apt:ripgrep; may be given again: "+strings.Join(managers, ", "))
	f.StringArrayVar(&e.env, "env", nil, "a `VARIABLE` of every turn: NAME takes the value of our own variable, NAME=@FILE that of a file; may be given again")
	f.StringVar(&e.setup, "setup-script", "", "a `FILE` with the bash script that prepares the machine")
	f.StringArrayVar(&e.hosts, "allow-host", nil, "a `HOST` that the machine may reach, and no other but those given; may be given again")
	e.body.add(cmd)
}

// read puts the body together.
func (e *environmentFields) read(cmd *cobra.Command) error {
	if err := e.body.read(cmd.InOrStdin()); err != nil {
		return err
	}
	e.body.set(cmd, "name", "name", e.name)
	wanted := map[string][]string{}
	for _, text := range e.packages {
		manager, name, ok := strings.Cut(text, ":")
		if !ok || name == "" || !slices.Contains(managers, manager) {
			return fmt.Errorf("--package: %q is not MANAGER:NAME with one of %s", text, strings.Join(managers, ", "))
		}
		wanted[manager] = append(wanted[manager], name)
	}
	e.body.set(cmd, "package", "packages", wanted)
	values, err := variables("--env", e.env)
	if err != nil {
		return err
	}
	e.body.set(cmd, "env", "env_vars", values)
	if e.setup != "" {
		script, err := readFile(e.setup, bodyLimit)
		if err != nil {
			return fmt.Errorf("--setup-script: %w", err)
		}
		e.body.put("setup_script", string(script))
	}
	e.body.set(cmd, "allow-host", "networking", map[string]any{"type": "limited", "allowed_hosts": e.hosts})
	return nil
}

func environmentsCreateCommand(c *connection, f *format) *cobra.Command {
	e := &environmentFields{}
	cmd := &cobra.Command{
		Use:     "create",
		Short:   "Make an environment",
		Long:    "Create makes an environment from flags, a file of JSON or YAML with the fields of the\nAPI's POST /environments, or both.",
		Example: "  aod environments create --name go --package apt:golang-go --allow-host proxy.golang.org\n  aod environments create -f environment.yaml",
		Args:    cobra.NoArgs,
		RunE: c.with(func(cmd *cobra.Command, client *aod.Client, _ []string) error {
			if err := e.read(cmd); err != nil {
				return err
			}
			answer, err := client.API().CreateEnvironmentWithBody(cmd.Context(), nil, "application/json", e.body.reader())
			return f.show(cmd, answer, err, details)
		}),
	}
	e.add(cmd)
	return cmd
}

func environmentsUpdateCommand(c *connection, f *format) *cobra.Command {
	e := &environmentFields{}
	version := 0
	cmd := &cobra.Command{
		Use:               "update ENVIRONMENT",
		Short:             "Change an environment, which makes its next version",
		Long:              "Update replaces what flags and the file name, each wholly, and leaves the rest. With\n--version, or a version in the file, it changes nothing if the environment is at another\none by now.",
		Args:              one("environment"),
		ValidArgsFunction: first(c.completeEnvironments()),
		RunE: c.with(func(cmd *cobra.Command, client *aod.Client, args []string) error {
			if err := e.read(cmd); err != nil {
				return err
			}
			id, err := environmentID(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			e.body.set(cmd, "version", "version", version)
			if e.body.fields["version"] == nil {
				environment, err := client.Environments.Get(cmd.Context(), id)
				if err != nil {
					return err
				}
				e.body.put("version", environment.Version)
			}
			answer, err := client.API().UpdateEnvironmentWithBody(cmd.Context(), id, "application/json", e.body.reader())
			return f.show(cmd, answer, err, details)
		}),
	}
	e.add(cmd)
	cmd.Flags().IntVar(&version, "version", 0, "the `VERSION` that is meant to be changed (default: the present one)")
	return cmd
}
