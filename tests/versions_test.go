package tests

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
)

// versioned is an agent or an environment as it is answered.
type versioned map[string]json.RawMessage

func (v versioned) version() int {
	n, _ := strconv.Atoi(string(v["version"]))
	return n
}

// Whatever any number of clients sends: versions have no gaps, exactly one update
// makes each, and the snapshots are what was answered.
func TestVersionsUnderAnySequenceOfUpdates(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	a := start(t)
	for _, kind := range []struct {
		name, path string
		changes    []string // few, so that many change nothing
	}{
		{"agent", "/agents/" + a.agent(`,"metadata":{"k":"0"}`), []string{
			`"name":"x"`, `"name":"y"`, `"system":""`, `"system":"s"`, `"metadata":{"k":"1"}`, `"metadata":{"k":""}`, `"metadata":{"k":0,"l":""}`, `"skills":[]`, `"skills":[{"name":"s","description":"d","content":"c"}]`, `"model":"bash"`, `"environment_id":null`,
			`"mcp_servers":[{"name":"n","url":"u"}]`, `"mcp_servers":[]`, `"name":1`, `"runtime":"codex"`,
		}},
		{"environment", "/environments/" + a.environment("versions", ""), []string{
			`"name":"x"`, `"name":"y"`, `"setup_script":""`, `"setup_script":"true"`, `"env_vars":{"A":"1"}`, `"env_vars":{}`, `"packages":{}`, `"packages":{"pip":["x"]}`, `"networking":{}`, `"networking":{"type":"limited"}`, `"networking":{"type":"none"}`,
		}},
	} {
		a.promise("5.3 6.4 versions of one "+kind.name+" under concurrent updates", func(a *api) {
			const clients, updates = 8, 40
			var mu sync.Mutex
			var answered []versioned // every 200, with the version that was sent in "sent"
			var wg sync.WaitGroup
			for client := range clients {
				random := rand.New(rand.NewPCG(seed, uint64(client)))
				wg.Go(func() {
					known := 1
					for range updates {
						sent := known - max(0, random.IntN(5)-3) // now and then a stale one
						got := a.put(kind.path, fmt.Sprintf(`{"version":%d,%s}`, sent, kind.changes[random.IntN(len(kind.changes))]))
						switch got.status {
						case 200:
							var v versioned
							got.into(&v)
							v["sent"] = json.RawMessage(strconv.Itoa(sent))
							known = v.version()
							mu.Lock()
							answered = append(answered, v)
							mu.Unlock()
						case 409:
							if n, err := fmt.Sscanf(got.text("detail"), "Version mismatch: expected %d", &known); n != 1 || err != nil {
								a.t.Errorf("got %s", got.body)
							}
						case 422:
						default:
							a.t.Errorf("got %d %s", got.status, got.body)
						}
					}
				})
			}
			wg.Wait()
			compare(a, kind.path, answered)
		})
	}
}

// compare holds the snapshots of a row against everything that was answered.
func compare(a *api, path string, answered []versioned) {
	a.t.Helper()
	snapshots := map[int]versioned{}
	list := a.get(path + "/versions").data()
	for i, text := range list {
		var v versioned
		if err := json.Unmarshal(text, &v); err != nil {
			a.t.Fatal(err)
		}
		if v.version() != len(list)-i {
			a.t.Fatalf("version %d is in place %d of %d", v.version(), i, len(list))
		}
		snapshots[v.version()] = v
	}
	winners := map[int]int{}
	for _, v := range answered {
		sent, _ := strconv.Atoi(string(v["sent"]))
		if v.version() == sent+1 {
			winners[v.version()]++
		} else if v.version() != sent {
			a.t.Errorf("version %d became %d", sent, v.version())
		}
		snapshot := snapshots[v.version()]
		for field, value := range snapshot {
			if field != "created_at" && string(value) != string(v[field]) {
				a.t.Errorf("version %d: %s is %s in the snapshot and was answered %s", v.version(), field, value, v[field])
			}
		}
		if string(snapshot["created_at"]) != string(v["updated_at"]) {
			a.t.Errorf("version %d: made %s, updated_at %s", v.version(), snapshot["created_at"], v["updated_at"])
		}
	}
	for version := 2; version <= len(list); version++ {
		if winners[version] != 1 {
			a.t.Errorf("%d updates have made version %d", winners[version], version)
		}
	}
	if len(list) < 10 || len(answered) < len(list) {
		a.t.Errorf("%d versions, %d answers: the test says little", len(list), len(answered))
	}
}
