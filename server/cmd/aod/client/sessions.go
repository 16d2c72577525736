package client

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	aod "github.com/agent-on-demand/aod/sdk/go"
)

func sessionsCommand(c *connection) *cobra.Command {
	f := new(format)
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "List, read, prompt and end sessions",
		Long:  "A session is one conversation of an agent on one machine. Where a session is to be\nnamed, the beginning of its id will do.",
	}
	f.add(cmd)
	cmd.AddCommand(sessionsListCommand(c, f), sessionsGetCommand(c, f), turnsCommand(c, f), logsCommand(c, f), promptCommand(c, f), terminateCommand(c, f), sessionsDeleteCommand(c, f))
	return cmd
}

// statuses are those of sessions.
var statuses = []aod.SessionStatus{aod.SessionPending, aod.SessionRunning, aod.SessionCompleted, aod.SessionFailed, aod.SessionTerminated}

var sessionColumns = []column[aod.Session]{
	{"ID", func(s aod.Session) string { return s.ID }},
	{"STATUS", func(s aod.Session) string { return string(s.Status) }},
	{"EXIT", func(s aod.Session) string { return number(s.ExitCode) }},
	{"RUNTIME", func(s aod.Session) string { return string(s.Runtime) }},
	{"TURNS", func(s aod.Session) string { return strconv.Itoa(s.TurnCount) }},
	{"AGE", func(s aod.Session) string { return since(s.CreatedAt.Time) }},
	{"AGENT", func(s aod.Session) string { return or(s.AgentID, "-") }},
}

func sessionsListCommand(c *connection, f *format) *cobra.Command {
	var agent string
	var status []string
	p := &paging{}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the sessions, the newest first",
		Example: "  aod sessions list --status running --status pending\n  aod sessions list --agent reviewer --limit 5 -o json",
		Args:    cobra.NoArgs,
		RunE: c.with(func(cmd *cobra.Command, client *aod.Client, _ []string) error {
			filter := aod.SessionFilter{}
			for _, text := range status {
				if !slices.Contains(statuses, aod.SessionStatus(text)) {
					return fmt.Errorf("--status: %q is not one of %s", text, strings.Join(statusNames(), ", "))
				}
				filter.Status = append(filter.Status, aod.SessionStatus(text))
			}
			if agent != "" {
				id, err := agentID(cmd.Context(), client, agent)
				if err != nil {
					return err
				}
				filter.AgentID = &id
			}
			var err error
			if filter.Limit, err = p.get(cmd); err != nil {
				return err
			}
			answer, err := client.API().ListSessions(cmd.Context(), &filter)
			return f.show(cmd, answer, err, table(sessionColumns))
		}),
	}
	cmd.Flags().StringArrayVar(&status, "status", nil, "only sessions of this `STATUS`; may be given again: "+strings.Join(statusNames(), ", "))
	cmd.Flags().StringVar(&agent, "agent", "", "only sessions of this `AGENT`, by id or name")
	p.add(cmd)
	must(cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(statusNames(), cobra.ShellCompDirectiveNoFileComp)))
	must(cmd.RegisterFlagCompletionFunc("agent", c.completeAgents()))
	return cmd
}

func statusNames() []string {
	var names []string
	for _, s := range statuses {
		names = append(names, string(s))
	}
	return names
}

// sessionCommand is a command that is about one session.
func sessionCommand(c *connection, use, short, long string, do func(cmd *cobra.Command, client *aod.Client, id string) error) *cobra.Command {
	return &cobra.Command{
		Use:               use + " SESSION",
		Short:             short,
		Long:              long,
		Args:              one("session"),
		ValidArgsFunction: first(c.completeSessions()),
		RunE: c.with(func(cmd *cobra.Command, client *aod.Client, args []string) error {
			id, err := sessionID(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			return do(cmd, client, id)
		}),
	}
}

func sessionsGetCommand(c *connection, f *format) *cobra.Command {
	return sessionCommand(c, "get", "Show a session", "", func(cmd *cobra.Command, client *aod.Client, id string) error {
		answer, err := client.API().GetSession(cmd.Context(), id)
		return f.show(cmd, answer, err, details)
	})
}

var turnColumns = []column[aod.Turn]{
	{"TURN", func(t aod.Turn) string { return strconv.Itoa(t.TurnNumber) }},
	{"STATUS", func(t aod.Turn) string { return string(t.Status) }},
	{"EXIT", func(t aod.Turn) string { return number(t.ExitCode) }},
	{"AGE", func(t aod.Turn) string { return since(t.CreatedAt.Time) }},
	{"TOOK", func(t aod.Turn) string {
		if t.StartedAt == nil || t.EndedAt == nil {
			return "-"
		}
		return took(t.EndedAt.Sub(t.StartedAt.Time))
	}},
	{"PROMPT", func(t aod.Turn) string { return short(t.Prompt, 60) }},
}

func turnsCommand(c *connection, f *format) *cobra.Command {
	return sessionCommand(c, "turns", "List the turns of a session: its prompts and how they went", "", func(cmd *cobra.Command, client *aod.Client, id string) error {
		answer, err := client.API().ListSessionTurns(cmd.Context(), id)
		return f.show(cmd, answer, err, table(turnColumns))
	})
}

func terminateCommand(c *connection, f *format) *cobra.Command {
	return sessionCommand(c, "terminate", "End a session and its machine, whatever it does", "Terminate ends what runs in the session and removes its Sprite with all files. Its\noutput can still be read; it takes no more prompts.", func(cmd *cobra.Command, client *aod.Client, id string) error {
		answer, err := client.API().TerminateSession(cmd.Context(), id)
		return f.show(cmd, answer, err, details)
	})
}

func sessionsDeleteCommand(c *connection, f *format) *cobra.Command {
	return sessionCommand(c, "delete", "Remove a session that is not active, with its output", "", func(cmd *cobra.Command, client *aod.Client, id string) error {
		answer, err := client.API().DeleteSession(cmd.Context(), id)
		return f.show(cmd, answer, err, details)
	})
}

// paging is how many rows are asked for.
type paging struct{ limit int }

const mostRows = 1000

func (p *paging) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&p.limit, "limit", 0, fmt.Sprintf("only this `NUMBER` of the newest, %d at most (default: all)", mostRows))
}

func (p *paging) get(cmd *cobra.Command) (*int, error) {
	if !cmd.Flags().Changed("limit") {
		return nil, nil
	}
	if p.limit < 1 || p.limit > mostRows {
		return nil, fmt.Errorf("--limit: it is not a number from 1 to %d; without it all are listed", mostRows)
	}
	return &p.limit, nil
}

func number(n *int) string {
	if n == nil {
		return "-"
	}
	return strconv.Itoa(*n)
}

func or(text *string, standard string) string {
	if text == nil || *text == "" {
		return standard
	}
	return *text
}

// short is the text on one line, cut if it is longer than that many characters.
func short(text string, limit int) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}
