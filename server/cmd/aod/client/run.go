package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	aod "github.com/agent-on-demand/aod/sdk/go"
	"github.com/agent-on-demand/aod/sprite/runtimes"
)

// models are what each runtime works with unless another model is named.
var models = map[string]string{
	"claude":   "anthropic/claude-sonnet-4-6",
	"codex":    "openai/gpt-4.1",
	"gemini":   "google/gemini-2.5-pro",
	"opencode": "anthropic/claude-sonnet-4-6",
	"shell":    "local/bash",
}

// running is what the flags of aod run say.
type running struct {
	runtime, model, system, agent, environment string
	repos, secrets                             []string
	timeout                                    time.Duration
	keep, detach                               bool
	view                                       viewFlags
}

func runCommand(c *connection) *cobra.Command {
	r := &running{}
	cmd := &cobra.Command{
		Use:   "run {--runtime RUNTIME|--agent AGENT} [PROMPT|-]",
		Short: "Run a prompt in a session and show what the agent does",
		Long: `Run starts a session with the prompt, shows what its agent does, and ends with the
exit code of the agent. The prompt is read from standard input where it is - or left
out. The agent's output goes to standard output, all else to standard error.

It takes the agent of --agent, or one with the --runtime, --model and --system, which
is made at the first time and taken again later.

Interrupted (Ctrl-C), it asks whether to detach, and leave the session to work on, or
to terminate it; where nobody can be asked it terminates. Interrupted again, it
terminates without a question. When the agent is done its Sprite, the machine that it
worked on, is given up and its output stays: with --keep the Sprite stays as well, and
the session takes further prompts.

A secret never stands on the command line, where others see it: --secret NAME takes the
value of the variable NAME, and --secret NAME=@FILE that of a file.

The exit code is the agent's, 1 if it failed without one or could not be started, 130
if it was terminated by Ctrl-C, 0 if it was detached from.`,
		Example: `  aod run --runtime claude "Say hello."
  aod run --runtime codex --secret OPENAI_API_KEY --repo https://github.com/owner/repo "Fix the tests."
  echo 'uname -a' | aod run --runtime shell
  aod run --agent reviewer --keep "Review the last commit."
  SESSION=$(aod run --detach --runtime shell "make test"); aod sessions logs -f $SESSION`,
		Args: atMostOnePrompt,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			create, err := r.session(cmd, args)
			if err != nil {
				return err
			}
			return c.with(func(cmd *cobra.Command, client *aod.Client, _ []string) error { return r.run(cmd, client, create) })(cmd, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.runtime, "runtime", "", "the `RUNTIME` that does the work: "+strings.Join(runtimes.Names(), ", "))
	f.StringVar(&r.model, "model", "", "its `MODEL`, as in anthropic/claude-sonnet-4-6 (default: one that suits the runtime)")
	f.StringVar(&r.system, "system", "", "instructions as `TEXT` that stands before the prompt")
	f.StringVar(&r.agent, "agent", "", "an `AGENT` that there is, by id or name, in place of --runtime, --model and --system")
	f.StringVar(&r.environment, "environment", "", "the `ENVIRONMENT` of the session, by id or name (default: the agent's)")
	f.StringArrayVar(&r.repos, "repo", nil, "clone the `URL` https://github.com/OWNER/REPO to /workspace/REPO; may be given again")
	f.StringArrayVar(&r.secrets, "secret", nil, "a `VARIABLE` that only this session has: NAME, or NAME=@FILE; may be given again")
	f.DurationVar(&r.timeout, "timeout", 10*time.Minute, "the `TIME` that the agent may take, from 10s to 1h")
	f.BoolVar(&r.keep, "keep", false, "keep the session's Sprite, so that it can be prompted again")
	f.BoolVar(&r.detach, "detach", false, "print the session's id and leave it to work")
	r.view.add(cmd)
	cmd.MarkFlagsMutuallyExclusive("agent", "runtime")
	cmd.MarkFlagsMutuallyExclusive("agent", "model")
	cmd.MarkFlagsMutuallyExclusive("agent", "system")
	completeRuntimes(cmd)
	must(cmd.RegisterFlagCompletionFunc("agent", c.completeAgents()))
	must(cmd.RegisterFlagCompletionFunc("environment", c.completeEnvironments()))
	return cmd
}

func atMostOnePrompt(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("one prompt, not %d: put it into quotes", len(args))
	}
	return nil
}

// session is what can be said of the session without a server.
func (r *running) session(cmd *cobra.Command, args []string) (aod.SessionCreate, error) {
	none := aod.SessionCreate{}
	if r.agent == "" && r.runtime == "" {
		return none, fmt.Errorf("say what is to do the work: --runtime with one of %s, or --agent", strings.Join(runtimes.Names(), ", "))
	}
	if r.agent == "" && !slices.Contains(runtimes.Names(), r.runtime) {
		return none, fmt.Errorf("--runtime: %q is not one of %s", r.runtime, strings.Join(runtimes.Names(), ", "))
	}
	timeout, err := seconds(r.timeout)
	if err != nil {
		return none, err
	}
	secrets, err := variables("--secret", r.secrets)
	if err != nil {
		return none, err
	}
	prompt, err := readPrompt(args, cmd.InOrStdin())
	if err != nil {
		return none, err
	}
	create := aod.SessionCreate{Prompt: prompt, Timeout: &timeout, SecretEnvVars: secrets}
	for _, url := range r.repos {
		create.Resources = append(create.Resources, aod.ResourceCreate{Type: "github_repository", URL: url})
	}
	return create, nil
}

func seconds(timeout time.Duration) (int, error) {
	if timeout < 10*time.Second || timeout > time.Hour || timeout%time.Second != 0 {
		return 0, errors.New("--timeout: it is not a number of seconds from 10s to 1h")
	}
	return int(timeout / time.Second), nil
}

func (r *running) run(cmd *cobra.Command, client *aod.Client, create aod.SessionCreate) error {
	ctx := cmd.Context()
	var err error
	if create.AgentID, err = r.agentOf(ctx, client); err != nil {
		return err
	}
	if r.environment != "" {
		id, err := environmentID(ctx, client, r.environment)
		if err != nil {
			return err
		}
		create.EnvironmentID = &id
	}
	// An interrupt must not lose sight of a session that may have been made.
	session, err := client.Sessions.Create(context.WithoutCancel(ctx), create)
	if err != nil {
		return err
	}
	if r.detach {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), session.ID)
		return err
	}
	a := &attachment{client: client, session: session.ID, view: r.view.open(cmd), owned: true}
	a.view.say("session " + session.ID)
	end, err := a.wait(ctx)
	if err != nil {
		return err
	}
	if err := outcome(session.ID, end); err != nil {
		return r.advise(err)
	}
	if r.keep {
		a.view.say("the session is kept: aod sessions prompt " + session.ID)
		return nil
	}
	return a.giveUp(ctx)
}

func (r *running) agentOf(ctx context.Context, client *aod.Client) (string, error) {
	if r.agent != "" {
		return agentID(ctx, client, r.agent)
	}
	model := r.model
	if model == "" {
		model = models[r.runtime]
	}
	return suitableAgent(ctx, client, r.runtime, model, r.system)
}

// advise says what often is missing.
func (r *running) advise(failed error) error {
	runtime, _ := runtimes.ByName(r.runtime)
	if runtime == nil || len(runtime.Keys) == 0 || len(r.secrets) > 0 {
		return failed
	}
	var exit *Exit
	errors.As(failed, &exit)
	return &Exit{exit.Code, fmt.Errorf("%w. If the server has no key of its own: --secret %s", exit.Err, strings.Join(runtime.Keys, " or --secret "))}
}
