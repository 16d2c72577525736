package tests

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// A session whose end was asked for comes to it, with its Sprite, wherever the server
// is killed meanwhile.
func TestUnderFireAnEndIsAnEnd(t *testing.T) {
	t.Parallel()
	chance := seeded(t)
	g := aim(t)
	agent := g.agent("")
	for i, step := range []string{"turn 1 asked for", "create_sprite started", "env_file done", "turn 1 started", "turn 1 launched", "turn 1 half seen", "turn 1 all seen"} {
		for _, answered := range []bool{false, true} {
			if os.Getenv("KILLS") == "" && answered == (i%2 == 0) {
				continue // the other half is for make fire
			}
			o := g.ordeal(chance(i), 1, 15)
			o.terminated(agent, step, func() { o.cut(answered, time.Duration(chance(i).IntN(4))*time.Millisecond, func() { o.finish(true) }) })
		}
	}
	for i, answered := range []bool{false, false, true} {
		g.ordeal(chance(100+i), 1, 15).deleted(agent, answered, time.Duration(i)*2*time.Millisecond)
	}
	g.nothingLeft()
	t.Logf("%d kills", g.kills.Load())
}

// cut kills the server while it works on a request, a short time after it was sent, or
// as soon as it has been answered. The request is repeated until it is answered.
func (o *ordeal) cut(answered bool, after time.Duration, request func()) {
	done := make(chan struct{})
	go func() { request(); close(done) }()
	if answered {
		<-done
	} else {
		pause(o.ctx, after)
	}
	o.strike()
	<-done
}

// terminated takes a session to a step, has it terminated there, and checks that
// everybody is told so.
func (o *ordeal) terminated(agent, step string, terminate func()) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.ctx, patience)
	defer cancel()
	s := &shot{step: step, fire: func(*ordeal) { terminate() }}
	o.begin(agent, "", fmt.Sprintf("terminated-%d", o.kills.Load()))
	close(o.posted) // no other turn will come
	s.asked(o, 1)
	o.reader(ctx, "first", nil, s)
	o.reader(ctx, "second", nil, nil)
	o.reading.Wait()
	if !s.fired {
		o.t.Errorf("%q: the step did not come", step)
	}
	o.reader(ctx, "late", nil, nil)
	o.reading.Wait()
	o.alike()
	if end := o.readers[2].end; end.Type != "terminated" {
		o.t.Errorf("%q: a terminated session ends with %+v", step, end)
	}
	if session := o.call("GET", "/sessions/"+o.id, "", ""); session.status != 200 || session.text("status") != "terminated" {
		o.t.Errorf("%q: %d %s", step, session.status, session.body)
	}
}

// deleted has a session deleted when its turn is over.
func (o *ordeal) deleted(agent string, answered bool, after time.Duration) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.ctx, patience)
	defer cancel()
	o.begin(agent, "", fmt.Sprintf("deleted-%d", o.kills.Load()))
	close(o.posted)
	o.reader(ctx, "first", nil, nil)
	o.reading.Wait()
	o.check()
	o.cut(answered, after, func() { o.finish(false) })
	if session := o.call("GET", "/sessions/"+o.id, "", ""); session.status != 404 {
		o.t.Errorf("a deleted session is there: %d %s", session.status, session.body)
	}
}
