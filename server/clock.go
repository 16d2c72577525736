package server

import (
	"context"
	"fmt"
	"time"

	"github.com/agent-on-demand/aod/store"
)

const (
	backwards = time.Minute // a clock may go by that much without harm
	skewed    = 30 * time.Second
)

// firstDay is before any aod was: a clock that shows less has never been set.
var firstDay = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// checkClock compares the clock with the newest moment that the database knows. Tokens
// expire, Sprites are given up and rows deleted by this clock.
func checkClock(ctx context.Context, st *store.Store) Finding {
	found := Finding{Check: "clock"}
	newest, err := st.Newest(ctx)
	now := time.Now()
	switch {
	case err != nil:
		found.Err = err
	case now.Before(firstDay):
		found.Err = fmt.Errorf("it shows %s: set it", now.UTC().Format(time.RFC3339))
	case newest.Sub(now) > backwards:
		found.Err = fmt.Errorf("it shows %s, and the database has been changed at %s: set the clock", now.UTC().Format(time.RFC3339), newest.UTC().Format(time.RFC3339))
	default:
		found.Text = now.UTC().Format(time.RFC3339) + ", later than all that the database has"
	}
	return found
}

// checkService asks the Sprites service for one page of its list and for the time.
func checkService(ctx context.Context, b *backend) []Finding {
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	began := time.Now()
	now, err := b.client.Reach(ctx)
	service := Finding{Check: "sprites", Err: err, Text: fmt.Sprintf("the service takes the token and answers in %v", time.Since(began).Round(time.Millisecond))}
	if err != nil {
		return []Finding{service}
	}
	clock := Finding{Check: "time", Text: "it agrees with that of the Sprites service"}
	if now.IsZero() {
		clock.Text = "the Sprites service does not say what time it is"
	} else if skew := time.Until(now).Round(time.Second); skew.Abs() > skewed {
		clock.Warning, clock.Text = true, fmt.Sprintf("it differs by %v from that of the Sprites service: set it", skew.Abs())
	}
	return []Finding{service, clock}
}

const serviceTimeout = 20 * time.Second
