package tests

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// However bad the network between the server and its Sprites is, when it is well again
// every session ends, nothing is lost or repeated, no turn has run twice.
func TestUnderFireTheNetworkMayFail(t *testing.T) {
	t.Parallel()
	sessions, chance := setting(t, "SESSIONS", 6), seeded(t)
	const token = "a-token-of-twenty-characters"
	host := dataDir(t)
	address, _, stop := spawnSprites(t, host, os.Getuid(), "AOD_SPRITES_TOKEN="+token)
	n := faulty(t, address, chance(1))
	g := aim(t, "SPRITES_TOKEN="+token, "SPRITES_BASE_URL="+n.url)
	agent := g.agent("")

	over, healed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(healed)
		n.rage(chance(2), over)
	}()
	var seen tally
	places := make(chan struct{}, 6)
	var work sync.WaitGroup
	for i := range sessions {
		places <- struct{}{}
		work.Go(func() {
			defer func() { <-places }()
			g.endure(chance(100+i), agent, "", 20, &seen, nil)
		})
	}
	work.Wait()
	close(over)
	<-healed
	g.nothingLeftIn(host)
	if err := stop(); err != nil {
		t.Errorf("the host ends with %v", err)
	}
	if left := processesOf(host); len(left) > 0 {
		t.Errorf("%d processes are left: %q", len(left), left)
	}
	t.Logf("%d faults, %d answers of 5xx, %s", n.faults, n.refused.Load(), &seen)
}

// network is a way to a Sprites host that can be made bad.
type network struct {
	t       *testing.T
	url     string
	proxy   *toxiproxy.Proxy
	faults  int
	failing atomic.Int32 // of a hundred requests, so many are answered by 5xx
	refused atomic.Int64
	mu      sync.Mutex
	chance  *rand.Rand
}

// faulty makes a way to a host: connections through a proxy that can harm them, and behind
// that requests through one that can answer in the host's place.
func faulty(t *testing.T, host string, chance *rand.Rand) *network {
	t.Helper()
	to, err := url.Parse(host)
	if err != nil {
		t.Fatal(err)
	}
	n := &network{t: t, chance: chance}
	pass := httputil.NewSingleHostReverseProxy(to)
	pass.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.verdict() {
		case 1: // the host hears nothing of it
			http.Error(w, "no upstream", http.StatusServiceUnavailable)
		case 2: // the host does it, and the answer is lost
			if r.Header.Get("Upgrade") == "" {
				pass.ServeHTTP(httptest.NewRecorder(), r)
			}
			http.Error(w, "bad gateway", http.StatusBadGateway)
		default:
			pass.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	t.Cleanup(front.CloseClientConnections)
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n.proxy = toxiproxy.NewProxy(server, "host", "127.0.0.1:0", strings.TrimPrefix(front.URL, "http://"))
	if err := n.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.proxy.Stop)
	n.url = "http://" + n.proxy.Listen
	return n
}

// verdict is what happens to a request: 0 nothing, 1 and 2 a failure.
func (n *network) verdict() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.chance.IntN(100) >= int(n.failing.Load()) {
		return 0
	}
	n.refused.Add(1)
	return 1 + n.chance.IntN(2)
}

// faults of connections, with the names and attributes that toxiproxy has for them.
var faults = []string{
	`"latency","attributes":{"latency":60,"jitter":60}`,
	`"reset_peer","attributes":{"timeout":40}`,
	`"timeout","attributes":{"timeout":0}`,   // half-open: all is swallowed until the fault is over
	`"timeout","attributes":{"timeout":150}`, // the same, and then an end
	`"slow_close","attributes":{"delay":200}`,
	`"limit_data","attributes":{"bytes":700}`, // cut within a frame
	`"limit_data","attributes":{"bytes":20000}`,
	`"slicer","attributes":{"average_size":40,"size_variation":30,"delay":10}`,
}

// rage makes the network bad in one way after another until it is over, with moments of
// calm between, and leaves it well.
func (n *network) rage(chance *rand.Rand, over <-chan struct{}) {
	wait := func(least, most int) {
		select {
		case <-time.After(time.Duration(least+chance.IntN(most-least)) * time.Millisecond):
		case <-over:
		}
	}
	for !closed(over) {
		wait(50, 500)
		n.faults++
		if chance.IntN(4) == 0 {
			n.failing.Store(int32(20 + chance.IntN(60)))
			wait(100, 600)
			n.failing.Store(0)
			continue
		}
		way := []string{"upstream", "downstream"}[chance.IntN(2)]
		fault := fmt.Sprintf(`{"name":"fault","stream":%q,"toxicity":%.1f,"type":%s}`, way, 0.5+chance.Float64()/2, faults[chance.IntN(len(faults))])
		if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(fault)); err != nil {
			n.t.Errorf("%s: %v", fault, err)
			return
		}
		wait(100, 600)
		if err := n.proxy.Toxics.RemoveToxic(n.t.Context(), "fault"); err != nil {
			n.t.Error(err)
			return
		}
	}
}
