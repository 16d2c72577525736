package turn

import (
	"context"

	"github.com/agent-on-demand/aod/store"
)

// rescue takes up the turns that the last server left. One that was running is
// lost with the connection that it wrote to, so it has failed; one that was
// pending is worked on as if it had just been asked for.
func (s *Supervisor) rescue(ctx context.Context) error {
	turns, err := s.Store.Unfinished(ctx)
	if err != nil {
		return err
	}
	for _, turn := range turns {
		s.Log.Info("taking up a turn", "session", turn.SessionID, "turn", turn.Number, "status", turn.Status)
		status, _, err := s.Store.SessionEnd(ctx, turn.SessionID)
		if err != nil {
			return err
		}
		switch {
		case turn.Status == store.StatusRunning:
			err = s.conclude(turn.SessionID, turn.Number, store.Outcome{
				Status: store.StatusFailed,
				Rows:   []store.Row{note(turn.Number, "turn failed: the server was restarted while the turn was running")},
			})
		case status == store.StatusTerminated:
			err = s.conclude(turn.SessionID, turn.Number, aborted(turn.Number))
		default:
			s.begin(turn.SessionID, turn.Number)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
