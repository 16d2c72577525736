package turn

import (
	"context"

	"github.com/agent-on-demand/aod/store"
)

// rescue takes up the turns that the last server left. One that was running is
// followed on from where the log ends, launched first if the server was about to;
// one that was pending is worked on as if it had just been asked for.
func (s *Supervisor) rescue(ctx context.Context) error {
	turns, err := s.Store.Unfinished(ctx)
	if err != nil {
		return err
	}
	for _, turn := range turns {
		s.Log.Info("taking up a turn", "session_id", turn.SessionID, "turn", turn.Number, "status", turn.Status)
		status, _, err := s.Store.SessionEnd(ctx, turn.SessionID)
		switch {
		case err != nil:
			return err
		case status != store.StatusTerminated:
			s.begin(ctx, turn.SessionID, turn.Number)
			continue
		}
		outcome := store.Outcome{Status: store.StatusFailed}
		if turn.Status == store.StatusPending {
			outcome = aborted(turn.Number)
		}
		if err := s.conclude(s.ctx, turn.SessionID, turn.Number, outcome); err != nil {
			return err
		}
	}
	return nil
}
