package client

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	aod "github.com/agent-on-demand/aod/sdk/go"
)

func sessionAndPrompt(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return one("session")(cmd, args)
	}
	return atMostOnePrompt(cmd, args[1:])
}

func promptCommand(c *connection, f *format) *cobra.Command {
	timeout, isDetached := 10*time.Minute, false
	v := &viewFlags{}
	cmd := &cobra.Command{
		Use:   "prompt SESSION [PROMPT|-]",
		Short: "Give a session its next prompt and show what the agent does",
		Long: `Prompt starts the next turn of a session that has completed its last one, and shows it
as aod run does. The prompt is read from standard input where it is - or left out. The
exit code is that of the agent.

Interrupted (Ctrl-C), it asks whether to detach or to terminate the session; where
nobody can be asked it detaches, and the exit code is 130.`,
		Example:           "  aod sessions prompt 1f0c \"And now the tests.\"",
		Args:              sessionAndPrompt,
		ValidArgsFunction: first(c.completeSessions()),
		RunE: c.with(func(cmd *cobra.Command, client *aod.Client, args []string) error {
			limit, err := seconds(timeout)
			if err != nil {
				return err
			}
			prompt, err := readPrompt(args[1:], cmd.InOrStdin())
			if err != nil {
				return err
			}
			id, err := sessionID(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			turn, err := client.Sessions.Prompt(cmd.Context(), id, aod.SessionPrompt{Prompt: prompt, Timeout: &limit})
			if err != nil {
				return err
			}
			if isDetached {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), id)
				return err
			}
			v.json = v.json || *f == "json"
			a := &attachment{client: client, session: id, turn: turn.CurrentTurn, view: v.open(cmd)}
			end, err := a.wait(cmd.Context())
			if err != nil {
				return err
			}
			return outcome(id, end)
		}),
	}
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "the `TIME` that the agent may take, from 10s to 1h")
	cmd.Flags().BoolVar(&isDetached, "detach", false, "print the session's id and leave it to work")
	v.add(cmd)
	return cmd
}
