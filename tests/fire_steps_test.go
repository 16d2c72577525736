package tests

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The server may be killed right after each step that a session takes, as far as a
// client or the machine can see it: the session goes on as if nothing had been.
func TestUnderFireEveryStepIsSafe(t *testing.T) {
	t.Parallel()
	chance := seeded(t)
	steps := []string{"turn 1 asked for"}
	for _, stage := range []string{"create_sprite", "install_runtime", "network_policy", "env_file", "provision_setup", "runtime_config", "skills"} {
		steps = append(steps, stage+" started", stage+" done")
	}
	for _, step := range []string{"started", "launched", "seen", "half seen", "all seen", "ended"} {
		steps = append(steps, "turn 1 "+step)
	}
	steps = append(steps, "turn 2 asked for", "turn 2 started", "turn 2 all seen")
	g := aim(t)
	agent := g.agent(`,"skills":[{"name":"fire","description":"d","content":"c"}]`)
	env := g.call("POST", "/environments", `{"name":"fire","setup_script":"echo set up >> ~/made","networking":{"type":"limited","allowed_hosts":["example.com"]}}`, "").want(201).text("id")
	var seen tally
	places := make(chan struct{}, 4) // sessions at once: a shot at one hits the others anywhere
	var work sync.WaitGroup
	for i, step := range steps {
		places <- struct{}{}
		work.Go(func() {
			defer func() { <-places }()
			s := &shot{step: step}
			if g.endure(chance(i), agent, `,"environment_id":"`+env+`"`, 8, &seen, s); !s.fired {
				t.Errorf("%q: the step did not come", step)
			}
		})
	}
	work.Wait()
	g.nothingLeft()
	t.Logf("%d kills, %s", g.kills.Load(), &seen)
}

// shot is fired once, when a session has taken a step.
type shot struct {
	step  string
	fire  func(o *ordeal) // kills the server, if it is nil
	fired bool
	turn  int
	size  int // of the turn's output so far
}

// asked is told that a turn was asked for.
func (s *shot) asked(o *ordeal, turn int) {
	if s != nil {
		s.at(o, fmt.Sprintf("turn %d asked for", turn))
	}
}

// row is told of each row when the first reader has it.
func (s *shot) row(o *ordeal, r row) {
	turn := func(step string) { s.at(o, fmt.Sprintf("turn %d %s", s.turn, step)) }
	switch {
	case r.Stage == "runtime_start":
		s.turn, s.size = s.turn+1, 0
		turn("started")
		turn("launched")
	case r.Stage != "":
		s.at(o, r.Stage+" "+r.State)
	case s.turn > 0:
		whole := len(shown(o.scripts[s.turn-1].stdout.String())) + len(shown(o.scripts[s.turn-1].stderr.String()))
		s.size += len(r.Data)
		turn("seen")
		turn("ended") // it has been launched
		if 2*s.size >= whole {
			turn("half seen")
		}
		if s.size >= whole {
			turn("all seen")
		}
	}
}

// at fires if that is the step.
func (s *shot) at(o *ordeal, step string) {
	if s.fired || step != s.step {
		return
	}
	s.fired = true
	var meanwhile []func()
	switch {
	case strings.HasSuffix(step, " launched"):
		o.waitForFile("runs")
	case strings.HasSuffix(step, " ended"):
		meanwhile = append(meanwhile, func() { o.waitForFile("over") })
	}
	if s.fire != nil {
		s.fire(o)
		return
	}
	o.strike(meanwhile...)
}

// waitForFile returns when the session's Sprite has a file of that name.
func (o *ordeal) waitForFile(name string) {
	o.t.Helper()
	waitFor(o.t, "there is no "+name+" in the Sprite", func() (there bool) {
		roots, _ := filepath.Glob(filepath.Join(o.dir, "sprites", "aod-*"+o.id))
		for _, root := range roots {
			_ = filepath.WalkDir(root, func(path string, _ fs.DirEntry, _ error) error { // some of it goes while we walk
				if filepath.Base(path) == name {
					there = true
					return fs.SkipAll
				}
				return nil
			})
		}
		return there
	})
}
