package tests

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ordeal is one session under fire: its turns, and those who read it.
type ordeal struct {
	*target
	id      string
	scripts []*script
	readers []*reader
	posted  chan struct{} // closed when the last turn has been asked for
	reading sync.WaitGroup
}

// tally is what all the sessions of a test have seen.
type tally struct{ sessions, rows, readers, connections atomic.Int64 }

// However often the server is killed, and whenever: no output is lost, repeated or
// reordered, no turn runs twice, no session is stuck, nothing is left over.
func TestUnderFireNothingIsLost(t *testing.T) {
	t.Parallel()
	kills, chance := setting(t, "KILLS", 8), seeded(t)
	g := aim(t)
	agent := g.agent("")
	var seen tally
	over := make(chan struct{})
	var work sync.WaitGroup
	for worker := range 4 {
		work.Go(func() {
			for n := 0; n == 0 || !closed(over) && !t.Failed(); n++ {
				g.endure(chance(1000*n+worker+1), agent, "", 40, &seen, nil)
			}
		})
	}
	aimed := chance(0)
	for range kills {
		most := []int{300, 1000, 3000}[aimed.IntN(3)] // some get far, some hardly begin
		if !pause(g.ctx, time.Duration(aimed.IntN(most))*time.Millisecond) || t.Failed() {
			break
		}
		g.strike()
	}
	close(over)
	work.Wait()
	g.nothingLeft()
	t.Logf("%d kills, %s", g.kills.Load(), &seen)
}

func (s *tally) String() string {
	return fmt.Sprintf("%d sessions, %d rows, %d readers over %d connections", s.sessions.Load(), s.rows.Load(), s.readers.Load(), s.connections.Load())
}

// endure takes a session through two turns of so many lines under fire, with readers of every kind,
// checks what they have seen, and ends it.
func (g *target) endure(chance *rand.Rand, agent, more string, lines int, seen *tally, s *shot) {
	o := g.ordeal(chance, 2, lines)
	ctx, cancel := context.WithTimeout(g.ctx, patience)
	defer cancel()
	o.begin(agent, more, fmt.Sprint("session-", chance.Uint64()))
	s.asked(o, 1)
	first := o.reader(ctx, "first", nil, s)
	o.reader(ctx, "second", nil, nil)
	o.reader(ctx, "fickle", chance, nil)
	select {
	case end := <-first.ended:
		if end.Type == "exit" && *end.Code == 0 {
			o.prompt(fmt.Sprint("prompt-", chance.Uint64()))
			s.asked(o, 2)
		}
	case <-ctx.Done():
	}
	close(o.posted)
	o.reader(ctx, "late", nil, nil)
	o.reading.Wait()
	o.check()
	o.finish(chance.IntN(2) == 0)
	seen.sessions.Add(1)
	seen.rows.Add(int64(len(first.rows)))
	for _, r := range o.readers {
		seen.readers.Add(1)
		seen.connections.Add(int64(r.opened))
	}
}

// ordeal prepares a session with that many turns, of about so many lines each.
func (g *target) ordeal(chance *rand.Rand, turns, lines int) *ordeal {
	o := &ordeal{target: g, posted: make(chan struct{})}
	for n := range turns {
		o.scripts = append(o.scripts, newScript(chance, n+1, 1+lines/2+chance.IntN(lines)))
	}
	return o
}

// begin creates the session.
func (o *ordeal) begin(agent, more, key string) {
	body := `{"agent_id":"` + agent + `","prompt":` + quoted(o.scripts[0].text.String()) + `,"timeout":120` + more + `}`
	o.id = o.call("POST", "/sessions", body, key).want(202).text("id")
}

// prompt asks for the second turn.
func (o *ordeal) prompt(key string) {
	body := `{"prompt":` + quoted(o.scripts[1].text.String()) + `,"timeout":120}`
	if answer := o.call("POST", "/sessions/"+o.id+"/prompt", body, key); answer.status != 202 {
		o.t.Errorf("session %s takes no second turn: %d %s", o.id, answer.status, answer.body)
	}
}

// reader follows the session from its beginning.
func (o *ordeal) reader(ctx context.Context, name string, chance *rand.Rand, s *shot) *reader {
	r := &reader{ordeal: o, name: name, shot: s, ended: make(chan event, 4)}
	if chance != nil {
		r.chance = rand.New(rand.NewPCG(chance.Uint64(), 0))
	}
	o.readers = append(o.readers, r)
	o.reading.Go(func() { r.follow(ctx) })
	return r
}

// finish ends the session, by terminating or by deleting it.
func (o *ordeal) finish(terminate bool) {
	if terminate {
		if answer := o.call("POST", "/sessions/"+o.id+"/terminate", "", ""); answer.status != 200 && answer.status != 409 {
			o.t.Errorf("terminate: %d %s", answer.status, answer.body)
		}
		return
	}
	if answer := o.call("DELETE", "/sessions/"+o.id+"/delete", "", ""); answer.status != 200 && answer.status != 404 {
		o.t.Errorf("delete: %d %s", answer.status, answer.body)
	}
}

// setting is a number of the environment that a person may choose: KILLS, SESSIONS or SEED.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(name, err)
	}
	return n
}

// seeded returns a source of chance that the same SEED makes again, and says which it was if the test fails.
func seeded(t *testing.T) func(stream int) *rand.Rand {
	t.Helper()
	seed := setting(t, "SEED", int(rand.Int32()))
	t.Logf("again with SEED=%d", seed)
	return func(stream int) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), uint64(stream))) }
}
