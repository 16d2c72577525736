package client

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	aod "github.com/agent-on-demand/aod/sdk/go"
)

// A stream does not say where what is stored ends and what comes live begins. So logs takes
// silence for the end of it.
const (
	answerTime = time.Minute     // until a server begins
	beginning  = 5 * time.Second // until the first row
	settled    = 2 * time.Second // between rows
)

func logsCommand(c *connection, f *format) *cobra.Command {
	follow, turn := false, 0
	v := &viewFlags{}
	cmd := sessionCommand(c, "logs", "Show what a session has done so far", `Logs shows the output of all turns as aod run does: the agent's on standard output,
all else on standard error. With -f it goes on until the turn that runs has ended.`, func(cmd *cobra.Command, client *aod.Client, id string) error {
		if turn < 0 {
			return errors.New("--turn: turns are counted from 1")
		}
		v.json = v.json || *f == "json"
		a := &attachment{client: client, session: id, turn: turn, only: turn > 0, view: v.open(cmd)}
		if follow {
			_, err := a.follow(cmd.Context())
			return err
		}
		ctx, cancel := context.WithCancelCause(cmd.Context())
		defer cancel(nil)
		a.idle = time.AfterFunc(answerTime, func() { cancel(errSettled) })
		defer a.idle.Stop()
		if _, err := a.follow(ctx); err != nil && !errors.Is(err, errSettled) {
			return err
		}
		return a.view.close()
	})
	cmd.Example = "  aod sessions logs 1f0c\n  aod sessions logs -f 1f0c --json | jq -r 'select(.type == \"output\").data'"
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the turn that runs has ended")
	cmd.Flags().IntVar(&turn, "turn", 0, "only the output of the turn of this `NUMBER`")
	v.add(cmd)
	return cmd
}

// errSettled is that a session that is still active has shown all that it has so far.
var errSettled = errors.New("there is nothing more for now")
