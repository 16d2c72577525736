package tests

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A server that is told to stop lets the turns go on, and one of the next version takes
// them over: readers come back with the last id that they saw, and get the rest.
func TestUnderFireAnUpgradeIsNotNoticed(t *testing.T) {
	t.Parallel()
	next := filepath.Join(t.TempDir(), "aod")
	if out, err := exec.Command("go", "build", "-ldflags", "-X main.version=next", "-o", next, "../server/cmd/aod").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	chance := seeded(t)
	g := aim(t)
	agent := g.agent("")
	var seen tally
	var work sync.WaitGroup
	for i := range 3 {
		work.Go(func() {
			s := &shot{step: []string{"turn 1 seen", "turn 1 half seen", "turn 2 started"}[i], fire: func(*ordeal) {
				g.mu.Lock()
				defer g.mu.Unlock()
				if err := g.stop(syscall.SIGTERM); err != nil {
					t.Errorf("a server that is told to stop ends with %v", err)
				}
				g.binary = next
				g.start()
			}}
			if g.endure(chance(i), agent, "", 40, &seen, s); !s.fired {
				t.Errorf("%q: the step did not come", s.step)
			}
		})
	}
	work.Wait()
	if version := g.call("GET", "/health", "", "").text("version"); version != "next" {
		t.Errorf("the version is %q", version)
	}
	g.nothingLeft()
	t.Log(&seen)
}

// A server that is stopping waits for the requests it has. A second signal ends it at
// once, and costs nothing that was promised.
func TestUnderFireASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	chance := seeded(t)
	g := aim(t)
	agent := g.agent("")
	var seen tally
	for i, second := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		s := &shot{step: "turn 1 half seen", fire: func(*ordeal) {
			g.mu.Lock()
			defer g.mu.Unlock()
			slow, err := net.Dial("tcp", g.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer slow.Close() // a request that does not come to its end
			fmt.Fprintf(slow, "POST /agents HTTP/1.1\r\nHost: aod\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{", fireToken)
			g.stopTwice(second)
			g.start()
		}}
		if g.endure(chance(i), agent, "", 20, &seen, s); !s.fired {
			t.Errorf("%q: the step did not come", s.step)
		}
	}
	g.nothingLeft()
}

// stopTwice tells the server to stop, and when it does, once more.
func (g *target) stopTwice(second syscall.Signal) {
	cmd := g.cmd
	g.cmd = nil
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		g.t.Error(err)
	}
	waitFor(g.t, "the server does not stop to listen", func() bool {
		c, err := net.DialTimeout("tcp", g.addr, time.Second)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	if err := cmd.Process.Signal(second); err != nil {
		g.t.Errorf("the server has not waited for its request: %v", err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != second {
		g.t.Errorf("a server that is told twice ends with %v", err)
	}
}
