package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	aod "github.com/agent-on-demand/aod/sdk/go"
)

func agentsCommand(c *connection) *cobra.Command {
	f := new(format)
	cmd := &cobra.Command{
		Use:   "agents",
		Short: "List, make, change and archive agents",
		Long:  "An agent is a saved configuration: a runtime, a model, instructions, skills, MCP\nservers. Where an agent is to be named, its id will do, or its name if no other has it.",
	}
	f.add(cmd)
	cmd.AddCommand(agentsListCommand(c, f), agentsGetCommand(c, f), agentsCreateCommand(c, f), agentsUpdateCommand(c, f), agentsArchiveCommand(c, f), agentsVersionsCommand(c, f))
	return cmd
}

var agentColumns = []column[aod.Agent]{
	{"ID", func(a aod.Agent) string { return a.ID }},
	{"NAME", func(a aod.Agent) string { return short(a.Name, 40) }},
	{"RUNTIME", func(a aod.Agent) string { return string(a.Runtime) }},
	{"MODEL", func(a aod.Agent) string { return a.Model }},
	{"VERSION", func(a aod.Agent) string { return strconv.Itoa(a.Version) }},
	{"AGE", func(a aod.Agent) string { return since(a.CreatedAt.Time) }},
}

func agentsListCommand(c *connection, f *format) *cobra.Command {
	var metadata map[string]string
	p := &paging{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the agents that are not archived, the newest first",
		Args:  cobra.NoArgs,
		RunE: c.with(func(cmd *cobra.Command, client *aod.Client, _ []string) error {
			filter := aod.AgentFilter{}
			if len(metadata) > 0 {
				filter.Metadata = (*aod.MetadataFilter)(&metadata)
			}
			var err error
			if filter.Limit, err = p.get(cmd); err != nil {
				return err
			}
			answer, err := client.API().ListAgents(cmd.Context(), &filter)
			return f.show(cmd, answer, err, table(agentColumns))
		}),
	}
	cmd.Flags().StringToStringVar(&metadata, "metadata", nil, "only agents whose metadata has this `KEY=VALUE`, as in team=platform")
	p.add(cmd)
	return cmd
}

// agentCommand is a command that is about one agent.
func agentCommand(c *connection, f *format, use, short string, write func(io.Writer, []byte) error, ask func(cmd *cobra.Command, client *aod.Client, id string) (*http.Response, error)) *cobra.Command {
	return &cobra.Command{
		Use:               use + " AGENT",
		Short:             short,
		Args:              one("agent"),
		ValidArgsFunction: first(c.completeAgents()),
		RunE: c.with(func(cmd *cobra.Command, client *aod.Client, args []string) error {
			id, err := agentID(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			answer, err := ask(cmd, client, id)
			return f.show(cmd, answer, err, write)
		}),
	}
}

func agentsGetCommand(c *connection, f *format) *cobra.Command {
	return agentCommand(c, f, "get", "Show an agent", details, func(cmd *cobra.Command, client *aod.Client, id string) (*http.Response, error) {
		return client.API().GetAgent(cmd.Context(), id)
	})
}

func agentsArchiveCommand(c *connection, f *format) *cobra.Command {
	return agentCommand(c, f, "archive", "Hide an agent and keep it from new sessions, for good", details, func(cmd *cobra.Command, client *aod.Client, id string) (*http.Response, error) {
		return client.API().ArchiveAgent(cmd.Context(), id)
	})
}

var agentVersionColumns = []column[aod.AgentVersion]{
	{"VERSION", func(v aod.AgentVersion) string { return strconv.Itoa(v.Version) }},
	{"NAME", func(v aod.AgentVersion) string { return short(v.Name, 40) }},
	{"RUNTIME", func(v aod.AgentVersion) string { return string(v.Runtime) }},
	{"MODEL", func(v aod.AgentVersion) string { return v.Model }},
	{"AGE", func(v aod.AgentVersion) string { return since(v.CreatedAt.Time) }},
}

func agentsVersionsCommand(c *connection, f *format) *cobra.Command {
	return agentCommand(c, f, "versions", "List the versions of an agent, the newest first", table(agentVersionColumns), func(cmd *cobra.Command, client *aod.Client, id string) (*http.Response, error) {
		return client.API().ListAgentVersions(cmd.Context(), id)
	})
}

// agentFields are those of an agent that have flags.
type agentFields struct {
	name, runtime, model, system, description, environment string
	metadata                                               []string
	body                                                   body
}

func (a *agentFields) add(c *connection, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.name, "name", "", "a `NAME` for people")
	f.StringVar(&a.runtime, "runtime", "", "the `RUNTIME` that does the work: claude, codex, gemini, opencode, shell")
	f.StringVar(&a.model, "model", "", "its `MODEL`, as in anthropic/claude-sonnet-4-6")
	f.StringVar(&a.system, "system", "", "instructions as `TEXT` that stands before the first prompt")
	f.StringVar(&a.description, "description", "", "what the agent is for, as `TEXT`")
	f.StringVar(&a.environment, "environment", "", "the `ENVIRONMENT` of its sessions, by id or name; \"\" for none")
	f.StringArrayVar(&a.metadata, "metadata", nil, "a value of your own, `KEY=TEXT`; on update, an empty text removes the key; may be given again")
	a.body.add(cmd)
	completeRuntimes(cmd)
	must(cmd.RegisterFlagCompletionFunc("environment", c.completeEnvironments()))
}

// read puts the body together.
func (a *agentFields) read(cmd *cobra.Command, client *aod.Client) error {
	if err := a.body.read(cmd.InOrStdin()); err != nil {
		return err
	}
	for flag, value := range map[string]string{"name": a.name, "runtime": a.runtime, "model": a.model, "system": a.system, "description": a.description} {
		a.body.set(cmd, flag, flag, value)
	}
	if cmd.Flags().Changed("environment") {
		id := ""
		if a.environment != "" {
			var err error
			if id, err = environmentID(cmd.Context(), client, a.environment); err != nil {
				return err
			}
		}
		a.body.put("environment_id", id)
	}
	return a.mergeMetadata()
}

// mergeMetadata adds the flags' values to those of the file.
func (a *agentFields) mergeMetadata() error {
	if len(a.metadata) == 0 {
		return nil
	}
	values := map[string]json.RawMessage{}
	if given := a.body.fields["metadata"]; given != nil && json.Unmarshal(given, &values) != nil {
		return fmt.Errorf("--file: metadata is not an object")
	}
	for _, text := range a.metadata {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return fmt.Errorf("--metadata: %q is not KEY=TEXT", text)
		}
		encoded, err := json.Marshal(value)
		must(err)
		values[key] = encoded
	}
	a.body.put("metadata", values)
	return nil
}

func agentsCreateCommand(c *connection, f *format) *cobra.Command {
	a := &agentFields{}
	cmd := &cobra.Command{
		Use:     "create",
		Short:   "Make an agent",
		Long:    "Create makes an agent from flags, a file of JSON or YAML with the fields of the API's\nPOST /agents, or both.",
		Example: "  aod agents create --name reviewer --runtime claude --model claude-sonnet-4-6 --system \"You review code.\"\n  aod agents create -f agent.yaml -o json",
		Args:    cobra.NoArgs,
		RunE: c.with(func(cmd *cobra.Command, client *aod.Client, _ []string) error {
			if err := a.read(cmd, client); err != nil {
				return err
			}
			answer, err := client.API().CreateAgentWithBody(cmd.Context(), nil, "application/json", a.body.reader())
			return f.show(cmd, answer, err, details)
		}),
	}
	a.add(c, cmd)
	return cmd
}

func agentsUpdateCommand(c *connection, f *format) *cobra.Command {
	a := &agentFields{}
	version := 0
	cmd := &cobra.Command{
		Use:               "update AGENT",
		Short:             "Change an agent, which makes its next version",
		Long:              "Update changes what flags and the file name and leaves the rest. With --version, or a\nversion in the file, it changes nothing if the agent is at another one by now.",
		Example:           "  aod agents update reviewer --model claude-opus-4-6",
		Args:              one("agent"),
		ValidArgsFunction: first(c.completeAgents()),
		RunE: c.with(func(cmd *cobra.Command, client *aod.Client, args []string) error {
			if err := a.read(cmd, client); err != nil {
				return err
			}
			id, err := agentID(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			a.body.set(cmd, "version", "version", version)
			if a.body.fields["version"] == nil {
				agent, err := client.Agents.Get(cmd.Context(), id)
				if err != nil {
					return err
				}
				a.body.put("version", agent.Version)
			}
			answer, err := client.API().UpdateAgentWithBody(cmd.Context(), id, "application/json", a.body.reader())
			return f.show(cmd, answer, err, details)
		}),
	}
	a.add(c, cmd)
	cmd.Flags().IntVar(&version, "version", 0, "the `VERSION` that is meant to be changed (default: the present one)")
	return cmd
}
