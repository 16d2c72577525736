package turn

import (
	"testing"
	"time"
)

// A turn whose limit has passed while no server was there is not given up for that: it
// may have ended in time.
func TestAbsenceOfTheServerEndsNoTurn(t *testing.T) {
	t.Parallel()
	started := time.Unix(1_000_000, 0)
	const limit = time.Minute
	for _, c := range []struct {
		name     string
		away     time.Duration
		launched bool
		want     time.Duration // after the start
	}{
		{"just launched", 0, true, limit + overtime},
		{"followed on", 20 * time.Second, true, limit + overtime},
		{"followed on after its limit", time.Hour, true, time.Hour + overtime},
		{"launched late", time.Hour, false, time.Hour + limit + overtime},
	} {
		if got := givenUp(started, started.Add(c.away), limit, c.launched).Sub(started); got != c.want {
			t.Errorf("%s: given up after %v, want %v", c.name, got, c.want)
		}
	}
}
