package tests

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// possible is what a session may be, as far as its answers have told.
type possible struct {
	states []string // of pending, running, completed, failed, terminated, deleted
	will   string   // what the present turn ends as; empty if it does not by itself
	turns  int
}

// pass adds what the states become by themselves.
func (p *possible) pass() {
	for _, step := range [][2]string{{"pending", "running"}, {"running", p.will}} {
		if step[1] != "" && slices.Contains(p.states, step[0]) && !slices.Contains(p.states, step[1]) {
			p.states = append(p.states, step[1])
		}
	}
}

// transition is what a request does in a state.
type transition struct {
	status int
	text   string // part of the answer
	next   string
}

var transitions = map[string]map[string]transition{
	"prompt": {
		"pending": {409, isPending, "pending"}, "running": {409, isRunning, "running"}, "completed": {202, `"pending"`, "pending"},
		"failed": {409, hasFailed, "failed"}, "terminated": {409, isTerminated, "terminated"}, "deleted": {404, "Session not found", "deleted"},
	},
	"terminate": {
		"pending": {200, `"terminated"`, "terminated"}, "running": {200, `"terminated"`, "terminated"}, "completed": {200, `"terminated"`, "terminated"},
		"failed": {200, `"terminated"`, "terminated"}, "terminated": {409, "Session is already terminated", "terminated"}, "deleted": {404, "Session not found", "deleted"},
	},
	"delete": {
		"pending": {409, "Cannot delete an active session", "pending"}, "running": {409, "Cannot delete an active session", "running"}, "completed": {200, "Session deleted", "deleted"},
		"failed": {200, "Session deleted", "deleted"}, "terminated": {200, "Session deleted", "deleted"}, "deleted": {404, "Session not found", "deleted"},
	},
	"get": {
		"pending": {200, `"status":"pending"`, "pending"}, "running": {200, `"status":"running"`, "running"}, "completed": {200, `"status":"completed"`, "completed"},
		"failed": {200, `"status":"failed"`, "failed"}, "terminated": {200, `"status":"terminated"`, "terminated"}, "deleted": {404, "Session not found", "deleted"},
	},
}

// take fails the test unless the answer is one of a possible state, and narrows
// the states down to those that it fits.
func (p *possible) take(request string, got reply) (before string) {
	got.t.Helper()
	p.pass()
	var fitting, next []string
	for _, state := range p.states {
		if t := transitions[request][state]; t.status == got.status && strings.Contains(got.body, t.text) {
			fitting, next = append(fitting, state), append(next, t.next)
		}
	}
	if len(fitting) == 0 {
		got.t.Fatalf("%s in one of %v is answered %d %s", request, p.states, got.status, got.body)
	}
	p.states = next
	return fitting[0]
}

// prompts are turns by what they end as.
var prompts = map[string]string{"exit 0": "completed", "exit 3": "failed", "sleep 0.1": "completed", "sleep 0.1; exit 1": "failed", "sleep 1000": ""}

// Whatever a client does, a session only makes the transitions of the contract.
func TestSessionsUnderAnySequenceOfRequests(t *testing.T) {
	t.Parallel()
	a := start(t)
	agent := a.shell()
	texts := make([]string, 0, len(prompts))
	for text := range prompts {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	for range 12 {
		seed := rand.Uint64()
		a.promise(fmt.Sprint("8.1 seed ", seed), func(a *api) {
			a.t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			first := texts[random.IntN(len(texts))]
			id := a.in(agent, first, "").want(202).text("id")
			p := &possible{states: []string{"pending"}, will: prompts[first], turns: 1}
			for range 25 {
				switch n := random.IntN(10); {
				case n < 4:
					text := texts[random.IntN(len(texts))]
					got := a.post("/sessions/"+id+"/prompt", `{"prompt":`+quoted(text)+`}`)
					if p.take("prompt", got); got.status == 202 {
						p.will, p.turns = prompts[text], p.turns+1
					}
				case n == 4 && random.IntN(3) == 0:
					p.take("terminate", a.post("/sessions/"+id+"/terminate", ""))
				case n == 5 && random.IntN(2) == 0:
					p.take("delete", a.delete("/sessions/"+id+"/delete"))
				case n < 8 && p.will != "" && !slices.Contains(p.states, "deleted"):
					a.stream(id).rest() // to the end of the turn
					p.pass()
					p.pass()
					p.states = slices.DeleteFunc(p.states, func(s string) bool { return s == "pending" || s == "running" })
				}
				p.take("get", a.get("/sessions/"+id))
				if !slices.Contains(p.states, "deleted") {
					if got := len(a.turns(id)); got != p.turns {
						a.t.Fatalf("%d turns, want %d", got, p.turns)
					}
				}
			}
			a.post("/sessions/"+id+"/terminate", "")
		})
	}
}

// Of requests that arrive at once, each is answered as if they had come one by one.
func TestSessionsUnderConcurrentRequests(t *testing.T) {
	t.Parallel()
	a := start(t)
	agent := a.shell()
	for round := range 6 {
		a.promise(fmt.Sprint("8.1 prompt, terminate and delete at once, round ", round), func(a *api) {
			id := a.in(agent, "true", "").want(202).text("id")
			a.stream(id).rest()
			done := map[string]int{}
			for i, got := range atOnce(12, func(i int) reply {
				switch i % 3 {
				case 0:
					return a.post("/sessions/"+id+"/prompt", `{"prompt":"sleep 1000"}`)
				case 1:
					return a.post("/sessions/"+id+"/terminate", "")
				}
				return a.delete("/sessions/" + id + "/delete")
			}) {
				request := []string{"prompt", "terminate", "delete"}[i%3]
				if got.status < 300 {
					done[request]++
				} else if got.status != 404 && got.status != 409 {
					a.t.Errorf("%s: %d %s", request, got.status, got.body)
				}
			}
			status := "deleted"
			if got := a.get("/sessions/" + id); got.status == 200 {
				status = got.text("status")
			}
			// Either it is gone, or it could not be since it was active all the time
			// and is terminated now. A prompt succeeds at most once, before the rest.
			switch {
			case done["prompt"] > 1 || done["terminate"] > 1 || done["delete"] > 1:
				a.t.Errorf("done %v", done)
			case status == "deleted" && done["delete"] != 1, status == "terminated" && (done["terminate"] != 1 || done["delete"] != 0), status != "deleted" && status != "terminated":
				a.t.Errorf("it is %s, done %v", status, done)
			}
		})
	}
}
